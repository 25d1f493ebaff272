"""Pictures' files as people's programs write them, and as nobody's program would: each shows a 7, or is refused."""

import struct
import zlib

import numpy as np
from PIL import Image, PngImagePlugin

from tests.pictures import file_of

BODY_BYTES = 4 * 1024 * 1024 - 4096  # about the largest body that is taken
LARGEST_SIDE = 2048
ORIENTATION = 0x0112


def chunk(kind, content=b""):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*chunks):
    """A PNG of chunks, pairs of kind and content."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def head(width, height, depth=8, colours=0, interlaced=0):
    return (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, interlaced))


def _deep(large):
    """Red, green and blue of 16 bits each."""
    wide = np.repeat(large[..., None].astype(">u2") * 257, 3, axis=2)
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    return png(head(*large.shape[::-1], 16, 2), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))


def _turned(large, orientation, kind):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    back = {3: 2, 6: 1, 8: 3}[orientation]
    return file_of(np.ascontiguousarray(np.rot90(large, back)), kind, exif=exif.tobytes())


def _transparent(large, ink):
    """Nothing but ink of one brightness, on nothing."""
    return Image.merge("LA", [Image.new("L", large.shape[::-1], ink), Image.fromarray(255 - large)])


def _animated(large, kind):
    frames = [Image.new("L", large.shape[::-1], level) for level in (0, 128)]
    return file_of(large, kind, save_all=True, append_images=frames)


def _in_palette(large):
    """Four shades, of which the brightest is transparent."""
    return file_of(Image.fromarray(large).quantize(4), "PNG", transparency=b"\xff\xff\xff\0")


def _card(large):
    """A white card with black ink, cut out: only the corners are transparent."""
    alpha = np.full(large.shape, 255, dtype=np.uint8)
    alpha[:20, :20] = alpha[-20:, -20:] = 0
    return file_of(Image.merge("LA", [Image.fromarray(large), Image.fromarray(alpha)]))


def _photo(large, scale, **options):
    return file_of(Image.fromarray(large).convert("RGB").resize((scale * 4, scale * 3)), "JPEG", **options)


def _multi_picture(large):
    return file_of(large, "MPO", save_all=True, append_images=[Image.new("L", large.shape[::-1])])


def _with_profile(large, kind):
    return file_of(large, kind, icc_profile=bytes(range(256)) * 100)


def _with_texts(large):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Software", "any", zip=True)
    texts.add_itxt("Title", "7", zip=True)
    return file_of(large, pnginfo=texts)


# What people send: each makes a file of a 7, black on white, uint8 [280, 280].
ORDINARY = {
    "colours": lambda large: file_of(Image.merge("RGB", [Image.fromarray(large // part) for part in (1, 2, 3)])),
    "CMYK": lambda large: file_of(Image.fromarray(large).convert("CMYK"), "JPEG"),
    "1 bit": lambda large: file_of(Image.fromarray(large).convert("1")),
    "1 bit, BMP": lambda large: file_of(Image.fromarray(large).convert("1"), "BMP"),
    "16 bits": lambda large: file_of(large.astype(np.uint16) * 257),
    "16 bits a colour": _deep,
    "32 bits, BMP": lambda large: file_of(Image.fromarray(large).convert("RGBA"), "BMP"),
    "palette": lambda large: file_of(Image.fromarray(large).quantize(4)),
    "palette, partly transparent": _in_palette,
    "GIF, interlaced": lambda large: file_of(large, "GIF", interlace=1),
    "GIF, animated": lambda large: _animated(large, "GIF"),
    "PNG, animated": lambda large: _animated(large, "PNG"),
    "WebP, animated": lambda large: _animated(large, "WEBP"),
    "WebP, lossless": lambda large: file_of(large, "WEBP", lossless=True),
    "black on nothing": lambda large: file_of(_transparent(large, 0)),
    "white on nothing": lambda large: file_of(_transparent(large, 255)),
    "black on nothing, WebP": lambda large: file_of(_transparent(large, 0).convert("RGBA"), "WEBP"),
    "a card with transparent corners": _card,
    "transparent grey": lambda large: file_of(Image.fromarray(large), transparency=255),
    "upside down": lambda large: _turned(large, 3, "JPEG"),
    "turned right": lambda large: _turned(large, 6, "JPEG"),
    "turned left": lambda large: _turned(large, 8, "JPEG"),
    "turned PNG": lambda large: _turned(large, 6, "PNG"),
    "turned WebP": lambda large: _turned(large, 6, "WEBP"),
    "progressive": lambda large: file_of(large, "JPEG", progressive=True),
    "12 megapixels": lambda large: _photo(large, 1000, quality=60),
    "colour profile": lambda large: _with_profile(large, "JPEG"),
    "colour profile, PNG": lambda large: _with_profile(large, "PNG"),
    "texts": _with_texts,
    "two pictures": _multi_picture,
    "a ZIP behind it": lambda large: file_of(large) + b"PK\3\4" + bytes(1000),
    "broken EXIF": lambda large: file_of(large, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
}


def _jpeg():
    return file_of(Image.new("RGB", (8, 8)), "JPEG")


def _gif():
    """A GIF of one pixel up to its picture, and the rest."""
    whole = file_of(Image.new("L", (1, 1)), "GIF")
    start = whole.rindex(b",")
    return whole[:start], whole[start:]


def _disposed():
    """A GIF that has its reader fill the picture with the background before anybody asks for it."""
    start, rest = _gif()
    start = _with_size(start, 6, "<HH", (13_000, 13_000)) + b"!\xf9\4\x08\0\0\0\0"
    return start + _with_size(rest, 5, "<HH", (13_000, 13_000))


def _in_jpeg(filling):
    start = _jpeg()
    return start[:2] + filling * (BODY_BYTES // len(filling)) + start[2:]


def _in_png(filling):
    rest = chunk(b"IDAT", zlib.compress(bytes(29 * 28))) + chunk(b"IEND")
    return png(head(28, 28)) + filling * (BODY_BYTES // len(filling)) + rest


def _in_gif(filling):
    start, rest = _gif()
    return start + filling * (BODY_BYTES // len(filling)) + rest


def _with_size(content, place, form, size):
    """A file that says that it is of another size than it is."""
    changed = bytearray(content)
    struct.pack_into(form, changed, place, *size)
    return bytes(changed)


def _scans():
    whole = file_of(Image.new("RGB", (2048, 2048)), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * ((BODY_BYTES - len(whole)) // len(last)) + whole[-2:]


def _long_exif():
    """EXIF with as many tags as there is room for, each of which says that it is all of it."""
    entries = b"".join(struct.pack(">HHLL", tag, 7, 60_000, 8) for tag in range(5_400))
    exif = b"Exif\0\0MM\0*" + struct.pack(">LH", 8, 5_400) + entries
    start = _jpeg()
    return start[:2] + b"\xff\xe1\xff\xff" + exif.ljust(65_533, b"\0") + start[2:]


def _large_jpeg(**options):
    whole = file_of(Image.new("RGB", (8, 8)), "JPEG", **options)
    frame = whole.index(b"\xff\xc2" if options else b"\xff\xc0")
    return _with_size(whole, frame + 5, ">HH", (10_000, 10_000))


def _large_png():
    """Red, green, blue and opacity of 16 bits each, every row by the filter that costs most."""
    rows = (b"\4" + bytes(LARGEST_SIDE * 8)) * LARGEST_SIDE
    return png(head(LARGEST_SIDE, LARGEST_SIDE, 16, 6), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))


def _large(mode, kind, side=LARGEST_SIDE, **options):
    return file_of(Image.new(mode, (side, side)), kind, **options)


# As many pixels as are taken, in the forms that cost most.
LARGEST = {
    "PNG": _large_png,
    "PNG, palette": lambda: _large("P", "PNG", transparency=0),
    "GIF": lambda: _large("P", "GIF", transparency=0),
    "BMP": lambda: _large("1", "BMP"),
    "WebP": lambda: _large("RGBA", "WEBP", lossless=True, quality=0, method=0),
    "JPEG": lambda: _large("RGB", "JPEG", 2 * LARGEST_SIDE, subsampling=0),
    "JPEG, progressive": lambda: _large("CMYK", "JPEG", progressive=True),
}
_MEGABYTE = zlib.compress(bytes(2**20 - 1), 9)
# What is made to cost time or memory, or to break: each is refused with a word on it, or read all the same, as blank.
HOSTILE = {
    "100 megapixels, PNG": lambda: png(head(10_000, 10_000), (b"IDAT", b""), (b"IEND", b"")),
    "100 megapixels, JPEG": _large_jpeg,
    "100 megapixels, progressive": lambda: _large_jpeg(progressive=True),
    "100 megapixels, GIF": lambda: _with_size(b"".join(_gif()), 6, "<HH", (10_000, 10_000)),
    "100 megapixels, GIF frame": lambda: _with_size(b"".join(_gif()), len(_gif()[0]) + 5, "<HH", (10_000, 10_000)),
    "169 megapixels, GIF, to be disposed of": _disposed,
    "100 megapixels, BMP": lambda: _with_size(file_of(Image.new("L", (1, 1)), "BMP"), 18, "<ii", (10_000, 10_000)),
    "100 megapixels, WebP": lambda: b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\x0f\x27\0" * 2,
    "4 gigapixels, PNG": lambda: png(head(65_535, 65_535), (b"IDAT", b""), (b"IEND", b"")),
    "a bomb that is as large as it says": lambda: file_of(Image.new("L", (5_000, 5_000))),
    "no width": lambda: png(head(0, 28), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")),
    "no width, GIF": lambda: _with_size(b"".join(_gif()), 6, "<HH", (0, 0)),
    "no height, JPEG": lambda: _with_size(_jpeg(), _jpeg().index(b"\xff\xc0") + 5, ">H", (0,)),
    "colour profiles that unfold": lambda: _in_png(chunk(b"iCCP", b"x\0\0" + _MEGABYTE)),
    "texts that unfold": lambda: _in_png(chunk(b"zTXt", b"x\0\0" + _MEGABYTE)),
    "empty chunks": lambda: _in_png(chunk(b"IDAT")),
    "fill bytes": lambda: _in_jpeg(b"\xff"),
    "empty comments": lambda: _in_jpeg(b"\xff\xfe\0\2"),
    "EXIF in pieces": lambda: _in_jpeg(b"\xff\xe1\3\xe8Exif\0\0" + bytes(992)),
    "tables": lambda: _in_jpeg(b"\xff\xdb\xff\xff" + (b"\1" + bytes(64)) * 1008 + bytes(13)),
    "EXIF of long tags": _long_exif,
    "scans": _scans,
    "extensions": lambda: _in_gif(b"!\1\0\0"),
    "bytes between blocks": lambda: _in_gif(b"\0"),
    "noise behind a signature": lambda: b"\x89PNG\r\n\x1a\n" + np.random.default_rng(0).bytes(100_000),
    "noise behind another": lambda: b"\xff\xd8\xff" + np.random.default_rng(0).bytes(100_000),
    "noise behind a third": lambda: b"RIFF\xff\xff\xff\xffWEBPVP8L" + np.random.default_rng(0).bytes(100_000),
    "noise behind a fourth": lambda: b"GIF89a" + np.random.default_rng(0).bytes(100_000),
    "noise behind a fifth": lambda: b"BM" + np.random.default_rng(0).bytes(100_000),
    "a wrong checksum": lambda: file_of(Image.new("L", (28, 28)))[:-20] + bytes(20),
}  # fmt: skip
