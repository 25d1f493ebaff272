"""The files of one request -> images: pictures, made like MNIST or taken as they come, and 784 bytes.

Knows nothing of HTTP. Imports app.image, app.normalize, app.payload and app.picture only.
"""

import binascii
import re

import numpy as np

from app import normalize, picture
from app.image import PIXELS, SIDE, InvalidImage, from_bytes
from app.payload import Image

_DATA_URL = re.compile(r"data:[^,;]{0,100}(?:;[^,;]{0,100}){0,3};base64,")


class Files:
    """Reads one file after the other, until their pictures hold more pixels than one request may."""

    def __init__(self, *, raw: bool) -> None:
        """With `raw`, pictures are only made grey, and 28x28."""
        self._raw = raw
        self._pixels_left = picture.MOST_PIXELS

    def picture(self, data: bytes, name: str) -> Image:
        """Read a picture's file. Raises InvalidImage, and PictureTooLarge."""
        decoded = picture.decode(data, name, self._pixels_left)
        self._pixels_left -= decoded.cost
        pixels = normalize.resized(decoded.grey) if self._raw else normalize.like_mnist(decoded.grey, name)
        return Image(pixels, "picture")

    def file(self, data: bytes, name: str) -> Image:
        """Read a picture's file, or 784 bytes. Raises what `picture` does."""
        if len(data) == PIXELS and picture.format_of(data) is None:
            return from_pixels(data)[0]
        return self.picture(data, name)

    def text(self, text: str, name: str) -> Image:
        """Read a file that came as base64 text, or as a data: URL. Raises what `picture` does."""
        start = _DATA_URL.match(text)
        try:
            data = binascii.a2b_base64(text[start.end() if start else 0 :], strict_mode=True)
        except ValueError as error:
            raise InvalidImage(
                f"`{name}` is text, but not base64 of A-Z a-z 0-9 + / with = at its end. Send {PIXELS} numbers in 0..1,"
                " or the file of a picture as base64 or as a data: URL."
            ) from error
        return self.file(data, name)


def from_pixels(data: bytes) -> list[Image]:
    """Read images of 784 bytes in 0..255 each, row by row, one behind the other. Raises InvalidImage."""
    if not data or len(data) % PIXELS:
        hint = ""
        if kind := picture.format_of(data):
            hint = f" This looks like a picture: send it with Content-Type: image/{kind.lower()}."
        raise InvalidImage(
            f"the body holds {len(data)} bytes. An image is {PIXELS} bytes in 0..255, {SIDE} rows of {SIDE}; several"
            f" follow each other.{hint}"
        )
    pixels = from_bytes(np.frombuffer(data, dtype=np.uint8).reshape(-1, SIDE, SIDE))
    return [Image(one, "bytes") for one in pixels]
