"""Images on their way to the model: numbers or bytes -> float32 [n, 28, 28] in 0..1, white ink on black.

Serving and training both come through here, so that a model sees in production what it saw in training.
NumPy and standard library only; imports no other module of app.
"""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 28
PIXELS = SIDE * SIDE

_PACK = struct.Struct(f"{PIXELS}f").pack

Images = NDArray[np.float32]


class InvalidImage(Exception):
    """Numbers that are no image; the message says what was wrong and what to send."""


def from_numbers(numbers: Sequence[float], name: str = "image") -> Images:
    """Turn 784 numbers into one image, float32 [28, 28].

    `name` is what the caller calls the image. Raises InvalidImage unless there are 784 numbers in 0..1.
    """
    if len(numbers) != PIXELS:
        raise InvalidImage(
            f"`{name}` holds {len(numbers)} numbers."
            f" An image is {PIXELS} numbers, or {SIDE} rows of {SIDE}, each in 0..1."
        )
    return from_array(np.array(numbers, dtype=np.float64), name).reshape(SIDE, SIDE)


def from_array(pixels: NDArray[np.floating[Any]], name: str) -> Images:
    """Turn the numbers of n images, of any shape, into float32 [n, 28, 28]. Raises InvalidImage outside of 0..1."""
    # One comparison chain for the common case; NaN fails it too.
    if not (pixels.min() >= 0.0 and pixels.max() <= 1.0):
        raise _out_of_range(pixels, name)
    return pixels.astype(np.float32).reshape(-1, SIDE, SIDE)


def from_checked(numbers: Sequence[float]) -> Images:
    """Turn numbers that are known to be 784 in 0..1 into one image, float32 [28, 28]."""
    # A quarter of the time that NumPy takes to read a list.
    return np.frombuffer(_PACK(*numbers), np.float32).reshape(SIDE, SIDE)


def from_rows(rows: Sequence[Sequence[float]], name: str = "image") -> Images:
    """Turn 28 rows of 28 numbers into one image, float32 [28, 28]. Raises InvalidImage for any other shape."""
    lengths = [len(row) for row in rows]
    if len(lengths) != SIDE:
        raise InvalidImage(
            f"`{name}` holds {len(lengths)} rows."
            f" An image is {SIDE} rows of {SIDE} numbers, or {PIXELS} numbers in one list."
        )
    for index, length in enumerate(lengths):
        if length != SIDE:
            raise InvalidImage(f"`{name}[{index}]` holds {length} numbers. Each of the {SIDE} rows must hold {SIDE}.")
    return from_numbers([number for row in rows for number in row], name)


def from_bytes(pixels: NDArray[np.uint8]) -> Images:
    """Scale uint8 [n, 28, 28] in 0..255, as the MNIST files hold them, to float32 in 0..1."""
    return pixels.astype(np.float32) / np.float32(255)


def _out_of_range(pixels: NDArray[np.floating[Any]], name: str) -> InvalidImage:
    first = int(np.argmin((pixels >= 0.0) & (pixels <= 1.0)))
    place = np.unravel_index(first, pixels.shape)
    index = "".join(f"[{number}]" for number in place)
    message = f"`{name}{index}` is {pixels[place]:g}. Every number must be in 0..1"
    if pixels.min() >= 0.0 and 1.0 < pixels.max() <= 255.0:
        return InvalidImage(f"{message}: these look like 0..255, so divide by 255.")
    return InvalidImage(f"{message}: 0 is background, 1 is ink.")
