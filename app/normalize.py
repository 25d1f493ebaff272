"""Pictures made like MNIST: grey pixels of any size and light -> float32 [28, 28] in 0..1, white ink on black.

MNIST's digits were scaled to 20x20 and centred by mass in 28x28, and the model has seen no others. Serving and training
both come through here. Imports app.image only.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from app.image import SIDE, Images, InvalidImage, from_bytes

DIGIT_SIDE = 20
# Ink is searched in no more than this many pixels a side: enough for a digit of a tenth of the picture.
_LOOK_SIDE = 256
_FAINTEST = 12  # difference in 0..255 between background and ink, below which nothing is ink
_TO_NOISE = 3  # how far ink must stand out from the background's unevenness
_LEAST_INK = 0.15  # of the darkest ink: what is fainter is paper
_IN_THE_BOX = 0.2  # of the darkest ink: what is fainter does not count for where a digit ends
_RIM = 16  # a sixteenth of the picture at each side is taken for background
_DUST = 32  # ink is dust by what is within a thirty-second of the picture around it
_STRAY = 16  # pixels that may stand out without being ink

Grey = NDArray[np.uint8]
Ink = NDArray[np.float32]


def like_mnist(grey: Grey, name: str) -> Images:
    """Make one picture, uint8 [height, width], as MNIST's are; leave one of 28x28 as it is, but for its polarity.

    `name` is what the caller calls it. Raises InvalidImage if it shows no ink.
    """
    if grey.shape == (SIDE, SIDE):
        return from_bytes(_white_on_black(grey, name))
    image = Image.fromarray(grey)
    ink, scale = _look(image, name)
    if scale > 1:
        # Once more, only there, and closer.
        image = image.crop(_around(_box(ink), scale, image.size))
        ink, _ = _look(image, name)
    return _centred(_scaled(ink))


def resized(grey: Grey) -> Images:
    """Make one picture 28x28 and change nothing else: as it came, white ink on black."""
    if grey.shape == (SIDE, SIDE):
        return from_bytes(grey)
    return from_bytes(np.asarray(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BOX)))


def _white_on_black(grey: Grey, name: str) -> Grey:
    """Invert what has a border brighter than its middle, as all of MNIST's images have when they are inverted."""
    if int(grey.max()) - int(grey.min()) < _FAINTEST:
        raise _no_ink(name)
    rim = np.ones(grey.shape, dtype=np.bool_)
    rim[1:-1, 1:-1] = False
    return 255 - grey if np.median(grey[rim]) > grey[~rim].mean() else grey


def _look(image: Image.Image, name: str) -> tuple[Ink, int]:
    """Find the ink of a picture, in 0..1, at the size at which it is looked at, and how many times smaller that is."""
    scale = -(-max(image.size) // _LOOK_SIDE)
    grey = np.asarray(image.reduce(scale) if scale > 1 else image, dtype=np.float32)
    background, unevenness = _background(grey)
    difference = grey - background
    stray = min(_STRAY, difference.size // 100)
    darkest, brightest = np.partition(difference, (stray, -1 - stray), axis=None)[[stray, -1 - stray]]
    if -darkest > brightest:
        difference, brightest = -difference, -darkest
    if brightest < max(_FAINTEST, _TO_NOISE * unevenness):
        raise _no_ink(name)
    least = max(_LEAST_INK * brightest, unevenness)
    ink = _without_dust(np.clip((difference - least) / (0.9 * brightest - least), 0, 1))
    if ink.max() <= _IN_THE_BOX:
        raise _no_ink(name)
    return ink, scale


def _rim(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    rim = np.ones(shape, dtype=np.bool_)
    high, wide = (max(1, size // _RIM) for size in shape)
    rim[high:-high, wide:-wide] = False
    return rim


def _background(grey: Ink) -> tuple[Ink, float]:
    """The paper's brightness everywhere, a plane through what it is at the rim, and how uneven it is."""
    rim = _rim(grey.shape)
    around = grey[rim]
    middle = np.percentile(around, 50, method="lower")  # one of them, so that some are near it
    # Where ink touches the rim, it is no paper.
    paper = np.abs(around - middle) <= max(8.0, np.ptp(grey) / 4)
    high, wide = grey.shape
    down, across = (np.linspace(-1, 1, size, dtype=np.float32) for size in (high, wide))
    rows, columns = np.nonzero(rim)
    known = np.stack([np.ones(paper.sum(), dtype=np.float32), down[rows[paper]], across[columns[paper]]], axis=1)
    level, by_row, by_column = np.linalg.lstsq(known, around[paper], rcond=None)[0]
    plane = level + by_row * down[:, np.newaxis] + by_column * across
    return plane, 2 * float(np.percentile(np.abs(around - plane[rim])[paper], 75))


def _without_dust(ink: Ink) -> Ink:
    """Leave out what has next to no ink around it, compared with where most is."""
    around = ImageFilter.BoxBlur(max(ink.shape) // _DUST)
    density = np.asarray(Image.fromarray((ink * 255).astype(np.uint8)).filter(around))
    return np.where(density >= density.max() / 10, ink, np.float32(0))


def _box(ink: Ink) -> tuple[int, int, int, int]:
    """Where the ink is: left, upper, right, lower, as Pillow counts."""
    found = ink > _IN_THE_BOX
    (rows,), (columns,) = np.nonzero(found.any(axis=1)), np.nonzero(found.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _around(box: tuple[int, int, int, int], scale: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box in the full picture, with some paper around it."""
    left, upper, right, lower = (place * scale for place in box)
    margin = 1 + max(right - left, lower - upper) // 5
    return max(0, left - margin), max(0, upper - margin), min(size[0], right + margin), min(size[1], lower + margin)


def _scaled(ink: Ink) -> Ink:
    """Cut the ink out and scale it to 20 pixels in height or width; its stroke, however thin, is made bright."""
    left, upper, right, lower = _box(ink)
    cut = Image.fromarray(np.ascontiguousarray(ink[upper:lower, left:right]))
    scale = DIGIT_SIDE / max(cut.size)
    size = (max(1, round(cut.width * scale)), max(1, round(cut.height * scale)))
    small = np.asarray(cut.resize(size, Image.Resampling.BOX))
    stroke = np.percentile(small[small > small.max() / 20], 90)
    brightened: Ink = np.clip(small / stroke, 0, 1)
    return brightened


def _centred(digit: Ink) -> Images:
    """Put a digit of at most 20x20 into 28x28, its centre of mass in the middle."""
    image = np.zeros((SIDE, SIDE), dtype=np.float32)
    mass = digit.sum()
    places = []
    for axis in (0, 1):
        size = digit.shape[axis]
        centre = float(digit.sum(axis=1 - axis) @ np.arange(size)) / mass
        places.append(min(max(round(SIDE / 2 - centre), 0), SIDE - size))
    row, column = places
    image[row : row + digit.shape[0], column : column + digit.shape[1]] = digit
    return image


def _no_ink(name: str) -> InvalidImage:
    return InvalidImage(
        f"`{name}` shows no ink: it is blank, or nearly. Send a digit that stands out from its background,"
        " with some of that around it."
    )
