"""The temperature: found where it is known, folded in without changing an answer, left out where it has no place."""

import functools

import keras
import numpy as np
import pytest

from app.image import from_bytes
from training import data
from training.calibrate import calibrated, divided, temperature
from training.data import Split
from training.evaluate import evaluate


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def model(digits):
    """Normalisation, dropout and a regression on the labels: it reads most digits, and is not sure enough."""
    images = from_bytes(digits.train.images).reshape(-1, 784)
    normalisation, dense = keras.layers.BatchNormalization(), keras.layers.Dense(10, activation="softmax")
    model = keras.Sequential([keras.Input((784,)), normalisation, keras.layers.Dropout(0.2), dense], name="quick")
    normalisation.set_weights([np.ones(784), np.zeros(784), images.mean(axis=0), images.var(axis=0)])
    features = np.asarray(normalisation(images))
    towards = features.T @ np.eye(10)[digits.train.labels]
    dense.set_weights([3 * np.linalg.solve(features.T @ features + 100 * np.eye(784), towards), np.arange(10) / 10])
    return model


def answers(model, images):
    """Without `predict`, which compiles each model anew."""
    return np.asarray(model(images.reshape(-1, *model.input_shape[1:]), training=False))


def negative_log_likelihood(model, split):
    probabilities = answers(model, from_bytes(split.images))
    return -np.log(probabilities[np.arange(len(split)), split.labels]).mean()


def drawn(hotter, n=20_000):
    """Logits, and labels drawn with the probabilities of logits / hotter."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (n, 10))
    # The largest of logits with Gumbel noise is a draw from their softmax.
    return logits, (logits / hotter + random.gumbel(size=(n, 10))).argmax(axis=1)


@pytest.mark.parametrize("hotter", [0.5, 1.0, 3.0])
def test_known_temperature_is_found(hotter):
    assert temperature(*drawn(hotter)) == pytest.approx(hotter, rel=0.03)


def test_temperature_is_within_bounds_where_the_best_is_not():
    logits, labels = drawn(1.0)
    assert temperature(logits, logits.argmax(axis=1)) == pytest.approx(0.2)
    assert temperature(logits, np.roll(labels, 1)) == pytest.approx(5.0)


def test_calibration_lowers_loss_and_error_and_changes_no_answer(model, digits):
    better, fitted = calibrated(model, digits.validation)
    assert 0.2 < fitted < 0.9
    before, after = (evaluate(functools.partial(answers, one), digits.validation) for one in (model, better))
    assert after.confusion == before.confusion
    assert after.ece < before.ece / 2
    for by in (0.97, 1.03):
        assert negative_log_likelihood(better, digits.validation) < negative_log_likelihood(
            divided(better, by), digits.validation
        )


def test_temperature_undoes_a_division(model, digits):
    better, _ = calibrated(model, digits.validation)
    assert calibrated(divided(better, 0.3), digits.validation)[1] == pytest.approx(1 / 0.3, rel=1e-3)


def test_answers_that_are_zero_in_float32_do_no_harm(model, digits):
    """A model that never says 9, on images of the other digits: the smaller its 9 the same the temperature."""
    others = digits.validation.labels != 9
    split = Split(digits.validation.images[others], digits.validation.labels[others])
    never = divided(model, 1.0)
    weights, bias = never.layers[-1].get_weights()

    def fitted(below):
        never.layers[-1].set_weights([weights, bias - below * np.eye(10)[9]])
        return calibrated(never, split)[1]

    assert fitted(300) == pytest.approx(fitted(30), rel=1e-3) != 1


def test_temperature_that_would_raise_the_calibration_error_is_left_out():
    """As sure of 100 images as it is right, and wrong about one that it is surest of: that one alone asks for T > 1."""
    weight = 34.0
    ink = np.append(np.full(100, 51), 255)
    digits = np.arange(101) % 10
    images = np.zeros((101, 28, 28), dtype=np.uint8)
    images[np.arange(101), 0, digits] = ink
    labels = np.where(np.isin(np.arange(101), [0, 100]), (digits + 1) % 10, digits)
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, activation="softmax")])
    model.layers[0].set_weights([weight * np.eye(784, 10), np.zeros(10)])
    assert temperature(weight * (ink / 255)[:, np.newaxis] * np.eye(10)[digits], labels) > 1.2
    assert calibrated(model, Split(images, labels)) == (model, 1.0)


@pytest.mark.parametrize("by", [0.2, 5.0])
def test_division_copies_the_model_and_changes_no_answer(model, digits, by):
    images = from_bytes(digits.test.images)
    before, weights = answers(model, images), model.get_weights()
    copy = divided(model, by)
    after = answers(copy, images)
    assert (after.argmax(axis=1) == before.argmax(axis=1)).all()
    expected = before ** (1 / by)
    assert after == pytest.approx(expected / expected.sum(axis=1, keepdims=True), abs=1e-5)
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]
    assert copy.name == model.name
    assert all((was == now).all() for was, now in zip(weights, model.get_weights(), strict=True))


@pytest.mark.parametrize(
    "end", [[keras.layers.Dense(10), keras.layers.Softmax()], [keras.layers.Dense(10, activation="sigmoid")]]
)
def test_model_that_does_not_end_in_a_dense_softmax_is_left_alone(digits, end):
    model = keras.Sequential([keras.Input((784,)), *end])
    assert calibrated(model, digits.validation) == (model, 1.0)


def test_model_without_bias_and_with_28x28_input_is_calibrated(digits):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((28, 28))
    outputs = keras.layers.Dense(10, activation="softmax", use_bias=False)(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    split = Split(digits.validation.images, answers(model, from_bytes(digits.validation.images)).argmax(axis=1))
    better, fitted = calibrated(model, split)
    assert fitted == pytest.approx(0.2)  # it reads "right" whatever it reads
    confidence = [answers(one, from_bytes(split.images)).max(axis=1).mean() for one in (model, better)]
    assert confidence[0] < confidence[1]
