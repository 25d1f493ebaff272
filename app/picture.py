"""Pictures: a file that anybody may have made -> its grey pixels, uint8 [height, width], as people see them.

Serving and training both read pictures here. A file is believed in nothing: its format is found by its content, its
metadata is cut out, its size is checked before it is decoded, so that time and memory are bounded. Imports app.image
and app.metadata only.
"""

import io
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Each plugin by its name, before the workers are forked: 4 MB that they share, and 20 ms that no request waits for.
from PIL import BmpImagePlugin, GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from app import metadata
from app.image import Images, InvalidImage

PLUGINS = (BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin)
SEND = "Send a PNG, JPEG, GIF, BMP or WebP; 280x280 pixels are plenty."
# Of all pictures of one request. A worker computes one request after the other, and none may wait long.
MOST_PIXELS = 2**22
# A JPEG is decoded at a half, a quarter or an eighth of its size, if that leaves this many pixels.
_ENOUGH_PIXELS = 2**20
_JPEG_DISCOUNT = 4
_MOST_SCANS = 20
# What Pillow may allocate before its size is known here: it refuses a picture of twice as many pixels.
Image.MAX_IMAGE_PIXELS = _JPEG_DISCOUNT * MOST_PIXELS // 2
_SIGNATURES = {
    metadata.PNG_SIGNATURE: "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
}
TYPES = tuple(f"image/{kind.lower()}" for kind in dict.fromkeys((*_SIGNATURES.values(), "WEBP")))
_ORIENTATION = 0x0112
_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MOST_READS = 1000
# Modes in which one grey or colour is said to be transparent: it is as good a ground as any.
_WITH_A_KEY = ("1", "L", "RGB")

Grey = NDArray[np.uint8]


class PictureTooLarge(InvalidImage):
    """A picture, or all pictures of a request, hold more pixels than the service decodes."""


class Picture(NamedTuple):
    """What people see, in grey, and the share of a request's MOST_PIXELS that it took to decode it."""

    grey: Grey
    cost: int


def format_of(data: bytes) -> str | None:
    """The format of a picture's file by its content: PNG, JPEG, GIF, BMP or WEBP; None if it is no picture."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for signature, kind in _SIGNATURES.items() if data.startswith(signature)), None)


def decode(data: bytes, name: str, most_pixels: int = MOST_PIXELS) -> Picture:
    """Decode a picture's file: its first frame, turned as EXIF says, over a contrasting ground where transparent.

    `name` is what the caller calls it. Raises InvalidImage, and PictureTooLarge before decoding.
    """
    if not (kind := format_of(data)):
        raise InvalidImage(f"`{name}` is no picture that can be read here. {SEND}")
    try:
        # What Pillow warns of are its own doubts about a file, which it reads nevertheless.
        with warnings.catch_warnings(action="ignore"):
            cut = metadata.cut(data)
            with Image.open(_Reader(cut.data), formats=[kind]) as image:
                cost = _cost(image, cut.scans)
                _check_size(image.size, cost, name, most_pixels)
                _shrink(image)
                image.load()
                # WebP's EXIF is where Pillow found it.
                grey = _grey(image, cut.exif or image.info.get("exif", b""))
    except InvalidImage:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except Exception as error:  # a spoilt file raises nearly anything in Pillow's decoders
        raise InvalidImage(
            f"`{name}` begins as a {kind}, but is damaged, cut short, or made as no program makes one."
            " Save it again, and send the whole file."
        ) from error
    return Picture(grey, cost)


def png(pixels: Images) -> bytes:
    """Write pixels in 0..1 as a grey PNG."""
    file = io.BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


class _Reader(io.BytesIO):
    """A file in memory that can be read from a thousand times: whoever made it may not make Pillow loop for longer."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > _MOST_READS:
            raise OSError("too many reads")
        return super().read(size)


def _cost(image: Image.Image, scans: int) -> int:
    """The pixels that decoding costs. A JPEG's are not all made, unless each is kept until its last scan."""
    pixels = int(image.width * image.height)
    if image.format != "JPEG":
        return pixels
    if scans > _MOST_SCANS:
        raise ValueError("too many scans")
    return pixels if scans > 1 else -(-pixels // _JPEG_DISCOUNT)


def _check_size(size: tuple[int, int], cost: int, name: str, most_pixels: int) -> None:
    if not all(size):
        raise InvalidImage(f"`{name}` has no pixels: it is {size[0]}x{size[1]}. {SEND}")
    if cost > most_pixels:
        raise _too_large(name, size)


def _too_large(name: str, size: tuple[int, int] | None = None) -> PictureTooLarge:
    found = f"{size[0]}x{size[1]} pixels" if size else "too many pixels"
    return PictureTooLarge(
        f"`{name}` holds {found}; at most {MOST_PIXELS / 1e6:.1f} million are taken at once, or {_JPEG_DISCOUNT} times"
        f" as many in JPEGs that are not progressive. {SEND}"
    )


def _shrink(image: Image.Image) -> None:
    """Have a large JPEG decoded at a fraction of its size, in grey: libjpeg does so in a fraction of the time."""
    if image.format == "JPEG":
        scale = next(s for s in (1, 2, 4, 8) if image.width * image.height <= _ENOUGH_PIXELS * s * s or s == 8)
        image.draft("L", (max(1, image.width // scale), max(1, image.height // scale)))


def _grey(image: Image.Image, exif: bytes) -> Grey:
    """Bring a decoded image into the one form: grey, 8 bits, upright, opaque."""
    if image.mode.startswith("I;16"):
        grey = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.has_transparency_data and image.mode not in _WITH_A_KEY:
        grey = _opaque(image.convert("RGBA" if image.mode == "RGBA" else "LA"))
    else:
        grey = image.convert("L")
    turn = _TRANSPOSED.get(_orientation(exif))
    return np.asarray(grey if turn is None else grey.transpose(turn))


def _opaque(image: Image.Image) -> Image.Image:
    """Put a transparent picture onto a ground: what there is at its border, or else what its ink contrasts with."""
    grey, alpha = image.convert("L"), image.getchannel("A")
    pixels, opacity = np.asarray(grey), np.asarray(alpha)
    border = _border(opacity) > 127
    if border.mean() > 0.5:
        ground = int(np.median(_border(pixels)[border]))
    else:
        ink = pixels[opacity > opacity.max() // 2]
        ground = 0 if len(ink) and ink.mean() > 127 else 255
    return Image.composite(grey, Image.new("L", grey.size, ground), alpha)


def _border(pixels: Grey) -> Grey:
    """The outermost pixels."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _orientation(exif: bytes) -> Any:
    """What EXIF says of a picture's orientation; None if it cannot be read, which is no reason to refuse a picture."""
    if not exif:
        return None
    try:
        found = Image.Exif()
        found.load(exif[: metadata.MOST_EXIF_BYTES])
        return found.get(_ORIENTATION)
    except Exception:  # noqa: BLE001  # its parser raises nearly anything, too
        return None
