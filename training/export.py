"""Export: a Keras model becomes a LiteRT model of some precision and a Bundle, if both give the same answers."""

import contextlib
import io
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from app.bundle import Bundle, Golden, GoldenCase, write
from app.image import PIXELS, SIDE, from_bytes
from app.model import CLASSES, Engine
from training import TrainingError
from training.data import Dataset, Split
from training.evaluate import Report, evaluate, reference


@dataclass(frozen=True)
class Tolerance:
    """How far the answers of an export may be off; a broken conversion is far beyond any of these."""

    classes: float  # share of images whose class may not be Keras'
    probability: float  # between Keras and LiteRT, at most
    golden: float  # of a probability between the machine that exported and one that serves


TOLERANCES = {
    # The same arithmetic in another order.
    "float32": Tolerance(classes=0, probability=1e-4, golden=1e-4),
    # Weights keep 11 bits. That moves answers to images that the model is undecided about, cnn6's by 0.007 at most.
    # They are widened when the model is loaded, so that machines differ as little as with float32.
    "float16": Tolerance(classes=0.005, probability=0.05, golden=1e-4),
    # 8 bits for weights, and for what is multiplied with them: 0.085 at most in cnn6's answers, and 1.3 % of the
    # classes of a network that is undecided about every image. Where one machine rounds a number up another may round
    # it down: 0.0008 between LiteRT's two implementations.
    "int8": Tolerance(classes=0.02, probability=0.3, golden=0.01),
}


class ExportError(TrainingError):
    """A Keras model cannot become a Bundle; the message says why."""


def export(
    model: keras.Model,
    dataset: Dataset,
    folder: Path,
    *,
    name: str,
    lineage: dict[str, Any],
    precision: str = "float32",
) -> tuple[Bundle, Report]:
    """Write the Bundle of a Keras model into a new folder; return it with its report on the test split.

    Raises ExportError, and writes nothing, if the model does not take 784 or 28x28 and give 10 probabilities, or if
    LiteRT answers the test images otherwise than Keras by more than the precision's tolerance.
    """
    model = _with_bundle_input(model)
    litert = to_litert(model, precision)
    engine = Engine(litert)
    check_parity(model, engine, dataset.test, TOLERANCES[precision])
    report = evaluate(engine.predict, dataset.test)
    bundle = write(
        folder,
        model=litert,
        golden=make_golden(engine, dataset.test, TOLERANCES[precision]),
        name=name,
        input_shape=engine.input_shape,
        metrics=_summary(report),
        reference=reference(engine.predict, dataset.validation),
        lineage={"dataset": dataset.name, "data_sha256": dataset.sha256, "export": precision, **lineage},
    )
    return bundle, report


def load_keras(path: Path) -> keras.Model:
    """Load a saved Keras model, .keras or .h5. Raises ExportError if the file holds none."""
    try:
        return keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError) as error:
        raise ExportError(f"{path} is no Keras model that this Keras {keras.__version__} reads: {error}") from error


def in_each_precision(model: keras.Model) -> dict[str, bytes]:
    """Convert a Keras model to LiteRT models, by precision. Raises ExportError if it is no digit classifier."""
    model = _with_bundle_input(model)
    return {precision: to_litert(model, precision) for precision in TOLERANCES}


def to_litert(model: keras.Model, precision: str = "float32") -> bytes:
    """Convert a Keras model to a LiteRT model: float32, float16 or int8.

    int8 is LiteRT's dynamic range: what comes into a layer is rounded by its own range, image by image, and what goes
    in and out of the model is float32. Fixed ranges, taken from training images, are no faster here, and give
    probabilities in steps of 1/256, which alone is a calibration error of 0.3 %.
    """
    # Through a SavedModel: TFLiteConverter.from_keras_model does not take Keras 3 models (tensorflow#62989).
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        model.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())


def check_parity(
    model: keras.Model, engine: Engine, split: Split, tolerance: Tolerance = TOLERANCES["float32"]
) -> None:
    """Compare every image's answer. Raises ExportError if classes or probabilities differ by more than tolerated."""
    images = from_bytes(split.images)
    ours = engine.predict(images)
    theirs = np.asarray(model.predict(images.reshape(-1, *model.input_shape[1:]), batch_size=1000, verbose=0))
    classes_differ = int((ours.argmax(axis=1) != theirs.argmax(axis=1)).sum())
    worst = float(np.abs(ours - theirs).max())
    allowed = int(tolerance.classes * len(split))
    if classes_differ > allowed or not worst <= tolerance.probability:
        raise ExportError(
            f"LiteRT and Keras disagree on {classes_differ} of {len(split)} test images, and by up to {worst:.3g} in a"
            f" probability; allowed are {allowed} and {tolerance.probability:g}. No Bundle was written."
        )


def make_golden(engine: Engine, split: Split, tolerance: Tolerance = TOLERANCES["float32"]) -> Golden:
    """Choose, for each digit, the first image of a split that the model reads right, and record its answer."""
    images = from_bytes(split.images).round(4)  # short in JSON; the answer is the one to the rounded image
    probabilities = engine.predict(images)
    right = probabilities.argmax(axis=1) == split.labels
    cases = []
    for digit in range(CLASSES):
        (found,) = np.nonzero(right & (split.labels == digit))
        if not len(found):
            raise ExportError(
                f"the model reads no {digit} of the {len(split)} test images right. No Bundle was written."
            )
        image = [round(float(pixel), 4) for pixel in images[found[0]].ravel()]
        cases.append(GoldenCase(digit, image, [float(p) for p in probabilities[found[0]]]))
    return Golden(tolerance.golden, cases)


def _with_bundle_input(model: keras.Model) -> keras.Model:
    """Give a model of 28x28 input the Bundle's 28x28x1; refuse one that is no digit classifier."""
    takes, gives = tuple(model.input_shape[1:]), tuple(model.output_shape[1:])
    if takes not in {(PIXELS,), (SIDE, SIDE), (SIDE, SIDE, 1)} or gives != (CLASSES,):
        raise ExportError(
            f"the model takes {list(takes)} and gives {list(gives)};"
            " it must take [784], [28, 28] or [28, 28, 1] and give [10]."
        )
    sums = np.asarray(model.predict(np.zeros((1, *takes), dtype=np.float32), verbose=0)).sum(axis=1)
    if not np.allclose(sums, 1, atol=1e-3):
        raise ExportError(
            f"the model's 10 outputs sum to {sums[0]:.3g}, so they are no probabilities. End the model in a softmax."
        )
    if takes != (SIDE, SIDE):
        return model
    return keras.Sequential([keras.Input((SIDE, SIDE, 1)), keras.layers.Reshape((SIDE, SIDE)), model], name=model.name)


def _summary(report: Report) -> dict[str, Any]:
    values = asdict(report)
    return {"n_test": values["n"], **{key: values[key] for key in ("accuracy", "worst_class_recall", "ece")}}
