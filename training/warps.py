"""Ways to bend, blur and draw on images: float32 [n, 28, 28] in 0..1, each image by its own numbers. NumPy only."""

import numpy as np
from numpy.typing import NDArray

from app.image import SIDE, Images

Numbers = NDArray[np.floating]

ROWS, COLUMNS = np.indices((SIDE, SIDE), dtype=np.float32)

_UNMOVED = np.zeros(2)
_LINE_REACH = 1.5  # pixels from a line's middle to where its ink ends
_CLOUD_GRIDS = (3, 5, 8, 15)  # points a side of the layers of clouds, the coarse ones the strongest
CLOUD_NUMBERS = sum(points**2 for points in _CLOUD_GRIDS)
_EDGE_SLOPE = 0.15  # in ink a pixel, the least that is an edge


def affine(images: Images, matrices: Numbers, shifts: Numbers = _UNMOVED) -> Images:
    """Map images about their centre, bilinear, with background where nothing was.

    Matrices, [2, 2] or one an image, act on (row, column): at p is then seen what was at M p. Shifts, [2] or one an
    image, are in pixels down and right, and come last.
    """
    middle = (SIDE - 1) / 2
    positions = np.stack([ROWS, COLUMNS]).reshape(2, -1) - middle
    sources = matrices.astype(np.float32) @ (positions - shifts.astype(np.float32)[..., None]) + middle
    rows, columns = np.moveaxis(sources.reshape(*sources.shape[:-1], SIDE, SIDE), -3, 0)
    return sampled(images, rows, columns)


def sampled(images: Images, rows: Numbers, columns: Numbers) -> Images:
    """What images hold at positions in pixels, [28, 28] or one such an image: bilinear, and background outside."""
    width = SIDE + 2
    # A frame of background: what lies outside reads it, and so needs no case of its own.
    framed = np.pad(images, ((0, 0), (1, 1), (1, 1))).ravel()
    rows, columns = (np.clip(positions + 1, 0, SIDE + 1) for positions in (rows, columns))
    top, left = (np.minimum(positions.astype(np.intp), SIDE) for positions in (rows, columns))
    down, right = (rows - top).astype(np.float32), (columns - left).astype(np.float32)
    corner = np.arange(len(images))[:, None, None] * width**2 + top * width + left
    above = framed[corner] * (1 - right) + framed[corner + 1] * right
    below = framed[corner + width] * (1 - right) + framed[corner + width + 1] * right
    mixed: Images = above * (1 - down) + below * down
    return mixed


def blurred(images: Numbers, sigma: float) -> Images:
    """Blur with a Gaussian, its standard deviation in pixels. What is flat stays as it is, up to the border."""
    weights = np.exp(-((np.arange(SIDE)[:, None] - np.arange(SIDE)) ** 2) / (2 * sigma**2))
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    soft: Images = weights @ images @ weights.T
    return soft


def clouds(chance: Numbers) -> Images:
    """Clouds from random numbers, [n, CLOUD_NUMBERS]: smooth, and each image's from 0 to 1."""
    ends = np.cumsum([points**2 for points in _CLOUD_GRIDS])
    layers = [
        _enlarged(part.reshape(-1, points, points)) / points
        for part, points in zip(np.split(chance, ends[:-1], axis=1), _CLOUD_GRIDS, strict=True)
    ]
    total: Images = np.sum(layers, axis=0)
    total -= total.min(axis=(1, 2), keepdims=True)
    total /= total.max(axis=(1, 2), keepdims=True)
    return total


def _enlarged(grids: Numbers) -> Images:
    """Enlarge grids [n, k, k] to [n, 28, 28], bilinear, corner to corner."""
    size = grids.shape[1]
    places = np.linspace(0, size - 1, SIDE)
    weights = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(size))).astype(np.float32)
    large: Images = weights @ grids @ weights.T
    return large


def drawn_over(images: Images, rows: Numbers, count: float, columns: NDArray[np.bool_] | bool = True) -> Images:
    """Draw the first `count` lines of each image, given by their row in each column, [n, lines, 28], where `columns`.

    A fraction of a line is a fainter one. Where ink meets ink it adds up, above 1 too.
    """
    drawn = images.copy()
    for index in range(rows.shape[1]):
        ink = min(max(count - index, 0), 1) * columns
        drawn += ink * np.maximum(0, 1 - np.abs(ROWS - rows[:, index, None]) / _LINE_REACH)
    return drawn


def edges(images: Images) -> Images:
    """Outlines, 0 or 1, as Canny's detector gives with one threshold: ridges in the slope of the blurred image."""
    soft = np.pad(blurred(images, 1), ((0, 0), (1, 1), (1, 1)))
    down = (soft[:, 2:, 1:-1] - soft[:, :-2, 1:-1]) / 2
    right = (soft[:, 1:-1, 2:] - soft[:, 1:-1, :-2]) / 2
    slope = np.hypot(down, right)
    steep = np.maximum(slope, 1e-6)
    uphill = sampled(slope, ROWS + down / steep, COLUMNS + right / steep)
    downhill = sampled(slope, ROWS - down / steep, COLUMNS - right / steep)
    ridge = (slope > uphill) & (slope >= downhill) & (slope > _EDGE_SLOPE)
    return ridge.astype(np.float32)
