"""Tensors of images as the inference protocols send them: in JSON or in binary, in several datatypes and shapes.

Knows nothing of HTTP.
"""

import math
import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from app import image, payload
from app.image import PIXELS, SIDE, InvalidImage
from app.payload import BatchTooLarge, Image, InvalidRequest

KIND = "tensor"
# Little-endian, as the protocol says, whatever this machine is.
_FLOATS = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
_WHOLE = {"UINT8": "|u1", "INT32": "<i4", "INT64": "<i8"}
DTYPES = _FLOATS | _WHOLE
DATATYPES = f"{', '.join(_FLOATS)} in 0..1; {', '.join(_WHOLE)} in 0..255"
# Of one image; in front of it comes their count, which one image of the first two shapes may leave out.
IMAGE_SHAPES = ([PIXELS], [SIDE, SIDE], [SIDE, SIDE, 1])
SHAPES = "[n, 784], [n, 28, 28], [n, 28, 28, 1]; [784] or [28, 28] for one image"
SEND_LISTS = 'Send {"instances": [[784 numbers in 0..1], ...]}; each image may also be 28 rows of 28.'
_DEEPEST = 4
_OPENING = re.compile(rb"[\[ \t\r\n]*")


def from_json(raw: msgspec.Raw, name: str, datatype: str, shape: Sequence[int], limit: int) -> list[Image]:
    """Read the numbers of a tensor, in one list or in lists that are nested as its shape.

    Raises InvalidJson, InvalidRequest, InvalidImage, and BatchTooLarge for more than `limit` images.
    """
    dtype = _dtype(datatype)
    if list(shape) not in IMAGE_SHAPES[:2]:
        _check_batch(shape, name, limit)
    depth = _depth(raw)
    if depth not in {1, len(shape)}:
        raise InvalidRequest(
            f"`{name}` is nested {depth} deep, and the shape has {len(shape)} dimensions."
            " Send all numbers in one list, or in lists that are nested as the shape."
        )
    numbers = _array(raw, name, depth, whole=dtype.kind != "f")
    expected = tuple(shape) if depth > 1 else (math.prod(shape),)
    if numbers.shape != expected:
        raise InvalidRequest(f"`{name}` holds {_sizes(numbers.shape)} numbers; its shape says {_sizes(expected)}.")
    return _images(numbers, name)


def from_binary(data: memoryview, name: str, datatype: str, shape: Sequence[int], limit: int) -> list[Image]:
    """Read the bytes of a tensor, row-major. Raises InvalidRequest, InvalidImage and BatchTooLarge."""
    dtype = _dtype(datatype)
    if list(shape) not in IMAGE_SHAPES[:2]:
        _check_batch(shape, name, limit)
    expected = math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise InvalidRequest(f"`{name}` holds {len(data)} bytes; {datatype} of its shape are {expected}.")
    return _images(np.frombuffer(data, dtype).reshape(shape), name)


def from_lists(raw: msgspec.Raw, name: str, limit: int) -> list[Image]:
    """Read a list of images of one shape, their numbers in 0..1. Raises as from_json does."""
    depth = _depth(raw)
    if not 1 < depth <= _DEEPEST:
        raise InvalidRequest(f"`{name}` is nested {depth} deep, and is to be a list of images. {SEND_LISTS}")
    numbers = _array(raw, name, depth, whole=False)
    _check_batch(numbers.shape, name, limit)
    return _images(numbers, name)


def _dtype(datatype: str) -> np.dtype[Any]:
    if datatype not in DTYPES:
        raise InvalidRequest(f"the datatype {datatype[:20]!r} is none of those that are taken: {DATATYPES}.")
    return np.dtype(DTYPES[datatype])


def _check_batch(shape: Sequence[int], name: str, limit: int) -> None:
    count, *one = shape or [0]
    if one not in IMAGE_SHAPES:
        raise InvalidRequest(f"`{name}` has the shape {str(list(shape))[:100]}. Send one of {SHAPES}.")
    if count < 1:
        raise InvalidRequest(f"`{name}` holds {count} images by its shape. Send at least one.")
    if count > limit:
        raise BatchTooLarge(f"`{name}` holds {count} images; at most {limit} are taken. Send several requests.")


def _depth(raw: msgspec.Raw) -> int:
    """How many lists begin before the first number: how deep the numbers are nested, if they all are alike."""
    opening = _OPENING.match(raw)
    return opening[0].count(b"[") if opening else 0


def _array(raw: msgspec.Raw, name: str, depth: int, *, whole: bool) -> NDArray[Any]:
    numbers = payload.decode(_DECODERS[whole, depth], raw, name, f"Send {DATATYPES}.")
    try:
        return np.array(numbers, np.uint8 if whole else np.float64)
    except ValueError as error:
        raise InvalidRequest(f"`{name}` holds lists of different lengths. All images must be of one shape.") from error


def _images(numbers: NDArray[Any], name: str) -> list[Image]:
    if numbers.dtype.kind == "f":
        pixels = image.from_array(numbers, name)
    else:
        if not (numbers.min() >= 0 and numbers.max() <= 255):
            raise InvalidImage(f"`{name}` holds numbers from {numbers.min()} to {numbers.max()}. Send {DATATYPES}.")
        pixels = image.from_bytes(numbers.astype(np.uint8).reshape(-1, SIDE, SIDE))
    return [Image(one, KIND) for one in pixels]


def _sizes(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _nested(kind: Any, depth: int) -> Any:
    return list[_nested(kind, depth - 1)] if depth else kind  # type: ignore[misc]


# By whether the numbers are whole, and how deep they are nested. 256 is refused while it is read, not wrapped to 0.
_DECODERS: dict[tuple[bool, int], msgspec.json.Decoder[Any]] = {
    (whole, depth): msgspec.json.Decoder(_nested(kind, depth))
    for whole, kind in [(False, float), (True, Annotated[int, msgspec.Meta(ge=0, le=255)])]
    for depth in range(1, _DEEPEST + 1)
}
