"""Copies of images: identical ones, and near ones that were shifted or saved as JPEG in between. NumPy only."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.image import PIXELS, SIDE

SHIFT_PIXELS = 2  # how far, in each direction, a copy may have moved
# Root mean square difference of 0..255 pixels up to which two images count as one. Measured on MNIST: all 15,000
# validation and test images, saved as JPEG, in place and after a shift, differ from what was saved by at most 1.6 at
# quality 95, 7.3 at 75 and 12.2 at 50. Of 10,000 training images, which are other people's digits, 87 come that near
# to one of the 15,000 at some shift: all are 1s, 8 % of the 1s. A copy that slips into training would spoil every
# figure, and a few 1s are soon drawn, so the limit lies above the copies and not below the 1s.
NEAR_RMS = 12.5
_BLOCK = 512  # images a matrix product: 30 MB of distances to 15,000 references
_MEAN_SIDE = 4  # pixels

Images = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Rows = NDArray[np.float32]


def repeated(images: Images) -> Mask:
    """Say which images [n, 28, 28] are identical to one before them."""
    seen: set[bytes] = set()
    mask = np.zeros(len(images), dtype=np.bool_)
    for index, image in enumerate(images):
        content = image.tobytes()
        mask[index] = content in seen
        seen.add(content)
    return mask


def identical(images: Images, references: Images) -> Mask:
    """Say which images [n, 28, 28] are identical to a reference [m, 28, 28]."""
    known = {reference.tobytes() for reference in references}
    return np.array([image.tobytes() in known for image in images], dtype=np.bool_)


def near(images: Images, references: Images) -> Mask:
    """Say which images [n, 28, 28] differ by at most NEAR_RMS from a reference [m, 28, 28], moved or in place."""
    mask = np.zeros(len(images), dtype=np.bool_)
    for moved in _moved(references):
        left = np.flatnonzero(~mask)
        # Means first: they differ less than the pixels do, so they lose no copy, and few images are left to compare.
        for rows in (_means, _pixels):
            left = left[_within(rows(images[left]), rows(moved))]
        mask[left] = True
    return mask


def _moved(images: Images) -> Iterator[Images]:
    """Every shift of the images by up to SHIFT_PIXELS. Ink that leaves the image is cut off, as in a shifted copy."""
    padded = np.pad(images, ((0, 0), (SHIFT_PIXELS, SHIFT_PIXELS), (SHIFT_PIXELS, SHIFT_PIXELS)))
    for top in range(2 * SHIFT_PIXELS + 1):
        for left in range(2 * SHIFT_PIXELS + 1):
            yield padded[:, top : top + SIDE, left : left + SIDE]


def _pixels(images: Images) -> Rows:
    return images.reshape(-1, PIXELS).astype(np.float32)


def _means(images: Images) -> Rows:
    """The means of squares of pixels, times the square's side: an orthogonal projection, so no distance grows."""
    count = SIDE // _MEAN_SIDE
    squares = images.reshape(-1, count, _MEAN_SIDE, count, _MEAN_SIDE)
    means: Rows = squares.sum((2, 4), dtype=np.float32).reshape(-1, count * count) / np.float32(_MEAN_SIDE)
    return means


def _within(rows: Rows, references: Rows) -> Mask:
    """Say which rows have a reference in reach, by |a - b|^2 = |a|^2 + (|b|^2 - 2ab), the bracket as one product."""
    extended = np.column_stack([-2 * references, np.square(references).sum(1)]).T
    mask = np.zeros(len(rows), dtype=np.bool_)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        nearest = (np.column_stack([block, np.ones(len(block), np.float32)]) @ extended).min(1, initial=np.inf)
        mask[start : start + _BLOCK] = nearest + np.square(block).sum(1) <= PIXELS * NEAR_RMS**2
    return mask
