"""From Keras to a Bundle, and what is refused on the way."""

import keras
import numpy as np
import pytest

from app.bundle import read
from app.image import from_bytes
from app.model import Classifier, Engine
from training import data, export
from training.export import ExportError


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def quick_model(*layers, inputs=(784,)):
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input(inputs), *layers], name="quick")


SOFTMAX = {"units": 10, "activation": "softmax"}


def fitted(model, digits):
    """Train until it reads each digit at least sometimes."""
    model.compile("adam", "sparse_categorical_crossentropy")
    images = (digits.train.images / 255).reshape(-1, *model.input_shape[1:])
    model.fit(images, digits.train.labels, epochs=8, batch_size=32, verbose=0)
    return model


@pytest.mark.parametrize(
    ("inputs", "shape"), [((784,), [-1, 784]), ((28, 28), [-1, 28, 28, 1]), ((28, 28, 1), [-1, 28, 28, 1])]
)
def test_each_input_shape_becomes_a_bundle_with_the_same_answers(tmp_path, digits, inputs, shape):
    model = fitted(quick_model(keras.layers.Flatten(), keras.layers.Dense(**SOFTMAX), inputs=inputs), digits)
    bundle, report = export.export(model, digits, tmp_path / "bundle", name="quick", lineage={})
    assert bundle.manifest.input["shape"] == shape
    assert report.accuracy == bundle.manifest.metrics["accuracy"] > 0.8
    images = np.float32(digits.test.images[:7] / 255)
    expected = model.predict(images.reshape(-1, *inputs), verbose=0)
    assert Engine(bundle.model).predict(images) == pytest.approx(expected, abs=1e-4)


@pytest.fixture(scope="module")
def reader(digits):
    return fitted(quick_model(keras.layers.Dense(**SOFTMAX)), digits)


@pytest.fixture(scope="module")
def converted(reader):
    return export.in_each_precision(reader)


@pytest.mark.parametrize(
    ("precision", "bytes_a_weight", "tolerance"), [("float32", 4, 1e-4), ("float16", 2, 1e-4), ("int8", 1, 0.01)]
)
def test_each_precision_becomes_a_bundle_that_is_served(
    tmp_path, reader, converted, digits, precision, bytes_a_weight, tolerance
):
    bundle, report = export.export(
        reader, digits, tmp_path / "bundle", name="quick", lineage={"git_commit": "abc"}, precision=precision
    )
    assert bundle.model == converted[precision]  # the same bytes again
    assert 0 < len(bundle.model) - 7840 * bytes_a_weight < 4000
    assert bundle.manifest.lineage["export"] == precision
    assert bundle.manifest.lineage["git_commit"] == "abc"
    served = Classifier(read(tmp_path / "bundle"))
    assert served.bundle.golden.tolerance == tolerance
    answers = served.predict(from_bytes(digits.test.images)).argmax(axis=1)
    assert report.accuracy == (answers == digits.test.labels).mean() > 0.8


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda: quick_model(keras.layers.Dense(**SOFTMAX), inputs=(785,)), r"takes \[785\] and gives \[10\]"),
        (lambda: quick_model(keras.layers.Dense(9, activation="softmax")), r"takes \[784\] and gives \[9\]"),
        (lambda: quick_model(keras.layers.Dense(10)), "End the model in a softmax"),
        (lambda: quick_model(keras.layers.Dense(10, activation="sigmoid")), "End the model in a softmax"),
    ],
)
def test_model_that_is_no_digit_classifier_is_refused(tmp_path, digits, model, reason):
    with pytest.raises(ExportError, match=reason):
        export.export(model(), digits, tmp_path / "bundle", name="bad", lineage={})
    assert not list(tmp_path.iterdir())


def test_disagreement_is_found(digits):
    """The LiteRT model of other weights: what a wrong conversion would look like."""
    model = quick_model(keras.layers.Dense(**SOFTMAX))
    engine = Engine(export.to_litert(model))
    export.check_parity(model, engine, digits.test)
    weights, bias = model.layers[0].get_weights()
    model.layers[0].set_weights([weights, bias + np.eye(10)[5] / 100])
    with pytest.raises(ExportError, match=r"disagree on .* by up to .* No Bundle was written"):
        export.check_parity(model, engine, digits.test)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_disagreement_is_found_where_some_is_tolerated(reader, converted, digits, precision):
    """Two digits of ten changed places, as if labels had been mixed up: most answers are far from tolerated."""
    engine, tolerance = Engine(converted[precision]), export.TOLERANCES[precision]
    export.check_parity(reader, engine, digits.test, tolerance)
    mixed = quick_model(keras.layers.Dense(**SOFTMAX))
    weights, bias = reader.layers[0].get_weights()
    order = [1, 0, *range(2, 10)]
    mixed.layers[0].set_weights([weights[:, order], bias[order]])
    with pytest.raises(ExportError, match="allowed are"):
        export.check_parity(mixed, engine, digits.test, tolerance)


def test_classes_and_probabilities_are_tolerated_each_for_itself():
    """A model that all but leaves open whether 3 or 5, and one that leans to 5 at one image of a hundred."""
    split = data.Split(np.zeros((100, 28, 28), dtype=np.uint8), np.zeros(100, dtype=np.int64))
    split.images[0, 0, 0] = 255
    model, leaning = (quick_model(keras.layers.Dense(**SOFTMAX)) for _ in range(2))
    bias = 9 * np.eye(10)[3] + 8.99 * np.eye(10)[5]
    model.layers[0].set_weights([np.zeros((784, 10)), bias])
    leaning.layers[0].set_weights([0.02 * np.eye(784, 1) * np.eye(10)[5], bias])
    engine = Engine(export.to_litert(leaning))
    export.check_parity(model, engine, split, export.Tolerance(classes=0.01, probability=0.1, golden=0))
    for classes, probability in ((0.009, 0.1), (0.01, 1e-9)):
        with pytest.raises(ExportError, match="disagree on 1 of 100"):
            export.check_parity(model, engine, split, export.Tolerance(classes, probability, golden=0))


class Fickle(keras.layers.Layer):
    """Something else each time that it is traced, as by Keras and then by the converter."""

    traced = 0

    def call(self, inputs):
        self.traced += 1
        return inputs * self.traced


def test_disagreement_leaves_no_bundle(tmp_path, digits):
    with pytest.raises(ExportError, match=r"disagree on .* No Bundle was written"):
        export.export(
            quick_model(Fickle(), keras.layers.Dense(**SOFTMAX)), digits, tmp_path / "bundle", name="bad", lineage={}
        )
    assert not list(tmp_path.iterdir())


def test_a_difference_that_changes_no_class_is_found_too(digits):
    model = quick_model(keras.layers.Dense(**SOFTMAX))
    engine = Engine(export.to_litert(model))
    weights, bias = model.layers[0].get_weights()
    model.layers[0].set_weights([weights * 1.01, bias])
    with pytest.raises(ExportError, match="disagree"):
        export.check_parity(model, engine, digits.test)


def test_model_that_never_says_a_digit_has_no_golden_answers(digits):
    model = quick_model(keras.layers.Dense(**SOFTMAX))
    weights, bias = model.layers[0].get_weights()
    model.layers[0].set_weights([weights * 0, bias + np.eye(10)[3]])
    with pytest.raises(ExportError, match="reads no 0 of the 300 test images right"):
        export.make_golden(Engine(export.to_litert(model)), digits.test)
