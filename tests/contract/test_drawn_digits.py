"""The champion reads digits that were drawn with a mouse or a finger, in strokes that MNIST has none of."""

import numpy as np

from app import model
from tests.drawing import drawn
from tests.serving import CHAMPION


def test_champion_reads_drawn_digits():
    images, labels = drawn(100)
    right = model.load(CHAMPION).predict(images).argmax(axis=1) == labels
    by_digit = np.array([right[labels == digit].mean() for digit in range(10)])
    assert right.mean() >= 0.985, by_digit
    assert by_digit.min() >= 0.9, by_digit
