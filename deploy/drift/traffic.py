"""Traffic: clean digits, and digits that drifted. float32 [n, 28, 28] in 0..1 -> the same. NumPy only.

The simulation and the demo share it, so that what was simulated is what is sent.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
Labels = NDArray[np.integer]
Drift = Callable[[Images, Labels, np.random.Generator], Images]

NOISE_SD = 0.3
ONE_CLASS = 3


def rotated(images: Images, degrees: float) -> Images:
    """Turn images counter-clockwise about their centre, bilinear, with background where nothing was."""
    angle = np.deg2rad(degrees)
    middle = (images.shape[1] - 1) / 2
    y, x = np.indices(images.shape[1:]) - middle
    # A frame of background: what lies outside reads it, and so needs no case of its own.
    framed = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    last = framed.shape[1] - 2
    row = np.clip(np.cos(angle) * y + np.sin(angle) * x + middle + 1, 0, last + 1)
    column = np.clip(np.cos(angle) * x - np.sin(angle) * y + middle + 1, 0, last + 1)
    top, left = np.minimum(row.astype(int), last), np.minimum(column.astype(int), last)
    down, right = (row - top).astype(np.float32), (column - left).astype(np.float32)
    above = framed[:, top, left] * (1 - right) + framed[:, top, left + 1] * right
    below = framed[:, top + 1, left] * (1 - right) + framed[:, top + 1, left + 1] * right
    turned: Images = np.clip(above * (1 - down) + below * down, 0, 1)
    return turned


def inverted(images: Images) -> Images:
    """Black ink on white paper, which a client sends who forgot to invert."""
    return 1 - images


def noisy(images: Images, rng: np.random.Generator, sd: float = NOISE_SD) -> Images:
    """Add Gaussian noise to each pixel; what leaves 0..1 is clipped."""
    noise = rng.standard_normal(images.shape, dtype=np.float32)
    return np.clip(images + np.float32(sd) * noise, 0, 1)


def one_class(images: Images, labels: Labels, digit: int = ONE_CLASS) -> Images:
    """As many images, all of one digit. The digit must occur among the labels."""
    return np.resize(images[labels == digit], images.shape)


CLEAN = "clean"
KINDS: Mapping[str, Drift] = {
    "rotated by 30°": lambda images, _labels, _rng: rotated(images, 30),
    "rotated by 90°": lambda images, _labels, _rng: rotated(images, 90),
    "inverted": lambda images, _labels, _rng: inverted(images),
    "noisy": lambda images, _labels, rng: noisy(images, rng),
    "one digit only": lambda images, labels, _rng: one_class(images, labels),
}
