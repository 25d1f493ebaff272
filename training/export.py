"""Export: a Keras model becomes a LiteRT model and a Bundle, if both give the same answers."""

import contextlib
import io
import tempfile
from dataclasses import asdict
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

PARITY_TOLERANCE = 1e-4  # largest difference of a probability between Keras and LiteRT
GOLDEN_TOLERANCE = 1e-4  # the same between the machine that exported and one that serves


class ExportError(TrainingError):
    """A Keras model cannot become a Bundle; the message says why."""


def export(
    model: keras.Model, dataset: Dataset, folder: Path, *, name: str, lineage: dict[str, Any]
) -> tuple[Bundle, Report]:
    """Write the Bundle of a Keras model into a new folder; return it with its report on the test split.

    Raises ExportError, and writes nothing, if the model does not take 784 or 28x28 and give 10 probabilities, or if
    LiteRT answers differently from Keras on any test image.
    """
    model = _with_bundle_input(model)
    litert = to_litert(model)
    engine = Engine(litert)
    check_parity(model, engine, dataset.test)
    report = evaluate(engine.predict, dataset.test)
    bundle = write(
        folder,
        model=litert,
        golden=make_golden(engine, dataset.test),
        name=name,
        input_shape=engine.input_shape,
        metrics=_summary(report),
        reference=reference(engine.predict, dataset.validation),
        lineage={"dataset": dataset.name, "data_sha256": dataset.sha256, **lineage},
    )
    return bundle, report


def to_litert(model: keras.Model) -> bytes:
    """Convert a Keras model to a LiteRT model, float32."""
    # Through a SavedModel: TFLiteConverter.from_keras_model does not take Keras 3 models (tensorflow#62989).
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        model.export(folder, verbose=False)
        return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def check_parity(model: keras.Model, engine: Engine, split: Split) -> None:
    """Compare every image's answer. Raises ExportError unless all classes agree and probabilities within 1e-4."""
    images = from_bytes(split.images)
    ours = engine.predict(images)
    theirs = np.asarray(model.predict(images.reshape(-1, *model.input_shape[1:]), batch_size=1000, verbose=0))
    classes_differ = int((ours.argmax(axis=1) != theirs.argmax(axis=1)).sum())
    worst = float(np.abs(ours - theirs).max())
    if classes_differ or not worst <= PARITY_TOLERANCE:
        raise ExportError(
            f"LiteRT and Keras disagree on {classes_differ} of {len(split)} test images, and by up to {worst:.3g} in a"
            f" probability; allowed are 0 and {PARITY_TOLERANCE:g}. No Bundle was written."
        )


def make_golden(engine: Engine, split: Split) -> Golden:
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
    return Golden(GOLDEN_TOLERANCE, cases)


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
