"""From Keras to a Bundle, and what is refused on the way."""

import keras
import numpy as np
import pytest

from app.model import Engine
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
