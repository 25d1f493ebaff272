"""Augmentation, and training with it: other images each time, the same ones from the same seed."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from training import data
from training.augment import handwritten, photographed, warped
from training.config import TrainConfig
from training.fit import fit

CONFIG = TrainConfig(
    arch="cnn6",
    dataset="digits",
    epochs=1,
    batch_size=25,
    learning_rate=0.01,
    lr_decay="cosine",
    warmup_steps=2,
    weight_decay=0.01,
    average=0.5,
    label_smoothing=0.05,
    augment="handwriting",
    precision="mixed_bfloat16",
)


@pytest.fixture(scope="module")
def digits():
    whole = data.load("digits")
    return replace(whole, train=data.Split(whole.train.images[:100], whole.train.labels[:100]))


@pytest.fixture(scope="module")
def images(digits):
    return np.float32(digits.train.images) / 255


def bent(images, *seed):
    return handwritten(tf.constant(images), tf.constant(seed)).numpy()


def seen(images, *seed):
    return photographed(tf.constant(images), tf.constant(seed)).numpy()


def wavy(images, *seed):
    return warped(tf.constant(images), tf.constant(seed)).numpy()


@pytest.mark.parametrize("change", [bent, wavy, seen])
def test_images_stay_images(images, change):
    found = change(images, 0, 0)
    assert (found.shape, found.dtype) == (images.shape, np.float32)
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize(("change", "different"), [(bent, 20), (wavy, 20), (seen, 8)])
def test_each_image_is_changed_its_own_way_and_again_by_the_same_seed(images, change, different):
    same = np.repeat(images[:1], 20, axis=0)
    found = change(same, 3, 4)
    assert len({one.tobytes() for one in found}) >= different
    assert np.array_equal(found, change(same, 3, 4))
    assert not np.array_equal(found, change(same, 3, 5))
    assert not np.array_equal(found, change(same, 4, 4))


def test_camera_leaves_half_of_the_images_and_changes_background_slope_contrast_and_noise():
    square = np.zeros((2000, 28, 28), dtype=np.float32)
    square[:, 9:19, 9:19] = 1
    found = seen(square, 0, 0)
    untouched = (found == square).all(axis=(1, 2))
    assert 0.45 < untouched.mean() < 0.55
    changed = found[~untouched]
    corners = np.stack([changed[:, y : y + 6, x : x + 6].mean(axis=(1, 2)) for y in (0, 22) for x in (0, 22)])
    background, ink = corners.mean(axis=0), changed[:, 9:19, 9:19].mean(axis=(1, 2))
    assert background.min() < 0.1
    assert 0.5 < background.max() < 0.75
    assert 0.2 < np.ptp(corners, axis=0).max() < 0.5
    assert (ink > background + 0.1).all()  # what was written can still be seen
    assert ink.min() < 0.6
    assert 0.1 < changed[:, 9:19, 9:19].std(axis=(1, 2)).max() < 0.25


def test_digits_stay_about_where_and_as_large_as_they_were(images):
    """On average: turned, bent and moved in all directions, but by no more than a hand would."""
    found = bent(images, 0, 1)
    place = np.arange(28) - 13.5
    for axis in (1, 2):
        shifts = [(one.sum(axis=3 - axis) * place).sum(axis=1) / one.sum(axis=(1, 2)) for one in (images, found)]
        moved = shifts[1] - shifts[0]
        assert abs(moved.mean()) < 0.5
        assert 0.5 < moved.std() < 2.5
    ink = found.sum(axis=(1, 2)) / images.sum(axis=(1, 2))
    assert 0.9 < ink.mean() < 1.2
    assert 0.1 < ink.std() < 0.4


def test_strokes_become_wider_and_thinner_and_never_vanish():
    stroke = np.zeros((200, 28, 28), dtype=np.float32)
    stroke[:, 12:16] = 1  # across the whole image, so that only its width can change how much ink there is
    wide = bent(stroke, 0, 1)[:, :, 13].sum(axis=1)
    assert 0.5 < wide.std() < 1.0
    assert wide.min() > 2
    assert wide.max() > 5
    stroke[:, 12:15] = 0  # one pixel wide
    assert bent(stroke, 0, 1)[:, :, 13].sum(axis=1).min() > 0.3


def test_an_unsteady_hand_moves_parts_of_an_image_unevenly_and_by_pixels():
    lines = np.zeros((200, 28, 28), dtype=np.float32)
    lines[:, :, 8:20] = 1  # two edges, from the top of the image to its bottom

    def bends(found):
        """By how many pixels an edge differs from a straight line."""
        rows = np.arange(4, 24)
        left = found[:, rows, :14].sum(axis=2)
        slope, middle = np.polyfit(rows, left.T, 1)
        return (left - (slope[:, np.newaxis] * rows + middle[:, np.newaxis])).std(axis=1)

    assert bends(bent(lines, 0, 1)).mean() < 0.1
    assert 0.2 < bends(wavy(lines, 0, 1)).mean() < 1
    assert np.abs(wavy(lines, 0, 1).mean() - lines.mean()) < 0.05


def test_training_with_every_option_repeats_itself_and_ends_in_float32(digits):
    first, second = (fit(CONFIG, digits, lambda *_: None) for _ in range(2))
    assert keras.config.dtype_policy().name == "float32"
    assert {layer.compute_dtype for layer in first.layers} == {"float32"}
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_normalisation_of_averaged_weights_is_measured_with_them(digits):
    config = replace(CONFIG, arch="cnn", precision="float32", augment="none")
    model = fit(config, digits, lambda *_: None)
    convolution, normalisation = model.layers[1:3]
    seen = convolution(np.float32(digits.train.images).reshape(-1, 28, 28, 1) / 255).numpy()
    assert np.allclose(normalisation.moving_mean, seen.mean(axis=(0, 1, 2)), atol=1e-5)
    assert np.allclose(normalisation.moving_variance, seen.var(axis=(0, 1, 2)), rtol=0.01)


SMALL = replace(CONFIG, arch="mlp", hidden_units=8, precision="float32")


@pytest.fixture(scope="module")
def weights(digits):
    return fit(SMALL, digits, lambda *_: None).get_weights()[0]


@pytest.mark.parametrize(
    "change",
    [
        {"augment": "none"},
        {"augment": "camera"},
        {"label_smoothing": 0.0},
        {"average": 0.0},
        {"weight_decay": 0.0},
        {"warmup_steps": 0},
    ],
    ids=lambda change: " ".join(f"{name} {value}" for name, value in change.items()),
)
def test_every_option_matters(digits, weights, change):
    without = fit(replace(SMALL, **change), digits, lambda *_: None)
    assert not np.array_equal(weights, without.get_weights()[0])
