"""The temperature: found where it is known, folded in without changing an answer, left out where it has no place."""

import keras
import numpy as np
import pytest

from app.image import from_bytes
from training import data
from training.calibrate import COLDEST, HOTTEST, calibrated, divided, temperature
from training.data import Split
from training.evaluate import evaluate


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def model(digits):
    """A network with batch normalisation and dropout that reads most digits, taught with smoothed labels."""
    keras.utils.set_random_seed(1)
    body = [
        keras.layers.Dense(32, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((784,)), *body], name="quick")
    model.compile(keras.optimizers.Adam(0.01), keras.losses.CategoricalCrossentropy(label_smoothing=0.2))
    images, labels = flat(digits.train), keras.utils.to_categorical(digits.train.labels)
    model.fit(images, labels, epochs=5, batch_size=64, verbose=0)
    return model


def flat(split):
    return from_bytes(split.images).reshape(len(split), 784)


def predictor(model):
    return lambda images: model.predict(images.reshape(-1, *model.input_shape[1:]), verbose=0)


def negative_log_likelihood(model, split):
    probabilities = model.predict(flat(split), verbose=0)
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
    assert temperature(logits, logits.argmax(axis=1)) == pytest.approx(COLDEST)
    assert temperature(logits, np.roll(labels, 1)) == pytest.approx(HOTTEST)


def test_calibration_lowers_loss_and_error_and_changes_no_answer(model, digits):
    better, fitted = calibrated(model, digits.validation)
    assert COLDEST < fitted < 0.9  # smoothed labels taught too little confidence
    before, after = (evaluate(predictor(one), digits.validation) for one in (model, better))
    assert after.confusion == before.confusion
    assert after.ece < before.ece / 2
    for by in (0.97, 1.03):
        assert negative_log_likelihood(better, digits.validation) < negative_log_likelihood(
            divided(better, by), digits.validation
        )


def test_calibrated_model_needs_no_temperature(model, digits):
    better, _ = calibrated(model, digits.validation)
    assert calibrated(better, digits.validation)[1] == pytest.approx(1, abs=1e-4)


def test_answers_that_are_zero_in_float32_do_no_harm(model, digits):
    """A model that never says 9, on images of the other digits: without it the temperature is what it was."""
    others = digits.validation.labels != 9
    split = Split(digits.validation.images[others], digits.validation.labels[others])
    never = divided(model, 1.0)
    weights, bias = never.layers[-1].get_weights()
    for far in (30, 300):
        never.layers[-1].set_weights([weights, bias - far * np.eye(10)[9]])
        fitted = calibrated(never, split)[1]
        if far == 30:
            expected = fitted
    assert (never.predict(flat(split), verbose=0)[:, 9] == 0).all()
    assert fitted == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("by", [0.2, 0.7, 1.0, 5.0])
def test_division_copies_the_model_and_changes_no_answer(model, digits, by):
    before, weights = model.predict(flat(digits.test), verbose=0), model.get_weights()
    copy = divided(model, by)
    after = copy.predict(flat(digits.test), verbose=0)
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
    split = Split(digits.validation.images, model.predict(from_bytes(digits.validation.images)).argmax(axis=1))
    better, fitted = calibrated(model, split)
    assert fitted == pytest.approx(COLDEST)  # it reads "right" whatever it reads
    confidence = [one.predict(from_bytes(split.images), verbose=0).max(axis=1).mean() for one in (model, better)]
    assert confidence[0] < confidence[1]
