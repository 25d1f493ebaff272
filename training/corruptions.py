"""Corruptions: how well a model reads digits that were noisy, bent, blurred, covered or drawn over.

Fifteen kinds after MNIST-C (Mu and Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision", arXiv 1906.02337),
each in five severities: 1 is mild, 3 is about as hard as MNIST-C's images, 5 is about as much as a person still reads.
Inversion is the end of "stripe", which inverts ever wider borders: at severity 5 they meet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from app.image import PIXELS, SIDE, Images, from_bytes
from training import TrainingError
from training.data import Split
from training.evaluate import Predict
from training.warps import CLOUD_NUMBERS, COLUMNS, ROWS, Numbers, affine, blurred, clouds, drawn_over, edges, sampled

SEVERITIES = range(1, 6)
USUAL_SEVERITY = 3  # as hard as MNIST-C's
_CHUNK = 256  # images at a time, few enough to stay in the processor's cache
_MUD = 0.25  # ink of a drop of mud, as MNIST-C has it
_LINES = 3  # at most
_TOOTH = 4  # columns


class CorruptionError(TrainingError):
    """There is no such kind or severity; the message says which there are."""


def corrupted(images: NDArray[np.uint8], kind: str, severity: int, seed: int) -> NDArray[np.uint8]:
    """Corrupt images, uint8 [n, 28, 28], white ink on black. Returns as many, and leaves the originals as they are.

    What happens to an image depends on the seed (0 or more), the kind and the image itself, so neither on its place
    nor on other images. A higher severity does more of the same to it. Raises CorruptionError.
    """
    recipe = _RECIPES.get(kind)
    if recipe is None:
        raise CorruptionError(f"there is no corruption {kind!r}. There are {', '.join(KINDS)}.")
    if severity not in SEVERITIES:
        raise CorruptionError(f"there is no severity {severity}. There are {SEVERITIES[0]} to {SEVERITIES[-1]}.")
    level = recipe.levels[severity - 1]
    result = np.empty_like(images)
    for start in range(0, len(images), _CHUNK):
        part = images[start : start + _CHUNK]
        changed = recipe.apply(from_bytes(part), level, _chance(part, kind, seed, recipe.draws))
        result[start : start + _CHUNK] = np.clip(changed * 255, 0, 255).round()
    return result


def accuracies(predict: Predict, split: Split, severity: int = USUAL_SEVERITY, seed: int = 0) -> dict[str, float]:
    """A model's accuracy on a split by the kind of its corruption. Raises CorruptionError."""
    read = {kind: predict(from_bytes(corrupted(split.images, kind, severity, seed))) for kind in KINDS}
    return {kind: float((answers.argmax(axis=1) == split.labels).mean()) for kind, answers in read.items()}


def _chance(images: NDArray[np.uint8], kind: str, seed: int, draws: int) -> Numbers:
    """Random numbers in 0..1, [n, draws], each image's from a stream of its own."""
    numbers = np.empty((len(images), draws), dtype=np.float32)
    for image, row in zip(images, numbers, strict=True):
        stream = np.random.default_rng([seed, crc32(kind.encode()), crc32(image.tobytes())])
        stream.random(out=row, dtype=np.float32)
    return numbers


def _sign(chance: Numbers) -> Numbers:
    return np.where(chance < 0.5, -1.0, 1.0)


def _shot_noise(images: Images, photons: float, chance: Numbers) -> Images:
    """Each pixel counts its photons, on average so many at full ink: the inverse of Poisson's distribution."""
    mean = images * photons
    term = np.exp(-mean)
    below = term.copy()
    count = np.zeros_like(images)
    for photon in range(1, ceil(photons) + 1):  # more would not show
        count += chance.reshape(images.shape) >= below
        term *= mean / photon
        below += term
    return count / photons


def _impulse_noise(images: Images, share: float, chance: Numbers) -> Images:
    """A share of the pixels turns black or white."""
    chance = chance.reshape(images.shape)
    return np.where(chance >= 1 - share / 2, 1.0, np.where(chance < share / 2, 0.0, images))


def _glass_blur(images: Images, reach: float, chance: Numbers) -> Images:
    """Each pixel shows one up to `reach` pixels away, with a little blur before and after."""
    rows, columns = np.moveaxis(np.round((2 * chance - 1) * reach).reshape(-1, 2, SIDE, SIDE), 1, 0)
    return blurred(sampled(blurred(images, 0.5), ROWS + rows, COLUMNS + columns), 0.5)


def _motion_blur(images: Images, length: float, chance: Numbers) -> Images:
    """The image moves by so many pixels, within 45 degrees of the horizontal."""
    angle = (chance[:, :, None] - 0.5) * (np.pi / 2)
    down, right = np.sin(angle), np.cos(angle)
    steps = np.linspace(-length / 2, length / 2, ceil(length) + 1, dtype=np.float32)
    seen: Images = np.mean([sampled(images, ROWS + step * down, COLUMNS + step * right) for step in steps], axis=0)
    return seen


def _shear(images: Images, slant: float, chance: Numbers) -> Images:
    """Slant to the left or right, in columns a row."""
    return affine(images, np.eye(2) + slant * _sign(chance)[:, None] * [[0, 0], [1, 0]])


def _scale(images: Images, factor: float, _: Numbers) -> Images:
    return affine(images, np.eye(2) / factor)


def _rotate(images: Images, degrees: float, chance: Numbers) -> Images:
    """Turn to the left or right."""
    angle = np.deg2rad(degrees)
    return affine(images, np.cos(angle) * np.eye(2) + np.sin(angle) * _sign(chance)[:, None] * [[0, 1], [-1, 0]])


def _translate(images: Images, pixels: float, chance: Numbers) -> Images:
    """Move so many pixels up or down, and as many left or right."""
    return affine(images, np.eye(2), pixels * _sign(chance))


def _brightness(images: Images, light: float, _: Numbers) -> Images:
    """Paper and ink are lighter by so much; ink has no more to give."""
    return images + light


def _stripe(images: Images, columns: float, _: Numbers) -> Images:
    """Invert so many columns at the left and as many at the right."""
    inside = np.abs(COLUMNS - (SIDE - 1) / 2) < SIDE / 2 - columns
    return np.where(inside, images, 1 - images)


def _fog(images: Images, density: float, chance: Numbers) -> Images:
    """Add clouds, at most so many times as bright as ink, and dim it all to the range of an image."""
    foggy: Images = np.add(images, density * clouds(chance)) / (1 + density)
    return foggy


def _spatter(images: Images, share: float, chance: Numbers) -> Images:
    """Drops of mud cover a share of the image, ink included."""
    wetness = blurred(chance.reshape(images.shape), 1.2)
    driest_drop = np.quantile(wetness, 1 - share, axis=(1, 2), keepdims=True)
    return np.where(wetness >= driest_drop, _MUD, images)


def _dotted_line(images: Images, lines: float, chance: Numbers) -> Images:
    """Draw dotted lines from edge to edge. A fraction of a line is a fainter one."""
    start, end = np.moveaxis(chance.reshape(-1, _LINES, 2, 1), 2, 0)
    rows = start * (SIDE - 1) + (end - start) * COLUMNS[0]
    return drawn_over(images, rows, lines, COLUMNS[0] % 4 >= 2)


def _zigzag(images: Images, lines: float, chance: Numbers) -> Images:
    """Draw zigzags, almost level, with teeth of 45 degrees. A fraction of a line is a fainter one."""
    start, climb = np.moveaxis(chance.reshape(-1, _LINES, 2, 1), 2, 0)
    teeth = np.abs(COLUMNS[0] % (2 * _TOOTH) - _TOOTH) - _TOOTH / 2
    return drawn_over(images, start * (SIDE - 1) + (climb - 0.5) * 10 * COLUMNS[0] / (SIDE - 1) + teeth, lines)


def _canny_edges(images: Images, progress: float, chance: Numbers) -> Images:
    """Up to 1, the ink fades and its outline comes; what is above 1 is the share of the outline that is missing."""
    seen = chance.reshape(images.shape) >= progress - 1
    faded = min(progress, 1)
    return images * (1 - faded) + edges(images) * faded * seen


@dataclass(frozen=True)
class _Recipe:
    """How a kind is made: its function, whose result is clipped, the random numbers an image takes, and five levels."""

    apply: Callable[[Images, float, Numbers], Images]
    draws: int
    levels: tuple[float, float, float, float, float]


_RECIPES = {
    "shot_noise": _Recipe(_shot_noise, PIXELS, (12, 6, 3, 2, 1.3)),
    "impulse_noise": _Recipe(_impulse_noise, PIXELS, (0.03, 0.08, 0.17, 0.25, 0.33)),
    "glass_blur": _Recipe(_glass_blur, 2 * PIXELS, (0.6, 1, 1.6, 1.9, 2.2)),
    "motion_blur": _Recipe(_motion_blur, 1, (2, 4, 5.5, 6.5, 7.5)),
    "shear": _Recipe(_shear, 1, (0.15, 0.3, 0.45, 0.6, 0.8)),
    "scale": _Recipe(_scale, 0, (0.9, 0.8, 0.7, 0.6, 0.5)),
    "rotate": _Recipe(_rotate, 1, (8, 15, 23, 32, 45)),
    "brightness": _Recipe(_brightness, 0, (0.1, 0.3, 0.5, 0.65, 0.8)),
    "translate": _Recipe(_translate, 2, (1, 2, 3, 4, 5)),
    "stripe": _Recipe(_stripe, 0, (2, 4, 7, 10, 14)),
    "fog": _Recipe(_fog, CLOUD_NUMBERS, (0.3, 1, 2.5, 3.2, 4)),
    "spatter": _Recipe(_spatter, PIXELS, (0.03, 0.07, 0.13, 0.2, 0.3)),
    "dotted_line": _Recipe(_dotted_line, 2 * _LINES, (0.4, 0.7, 1, 2, 3)),
    "zigzag": _Recipe(_zigzag, 2 * _LINES, (0.4, 0.7, 1, 2, 3)),
    "canny_edges": _Recipe(_canny_edges, PIXELS, (0.2, 0.5, 1, 1.15, 1.3)),
}
KINDS = tuple(_RECIPES)
