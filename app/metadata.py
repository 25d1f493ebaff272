"""Metadata in pictures' files, cut out before anything decodes them: kept is what makes the picture, and its EXIF.

What Pillow does not see cannot cost it time: 4 MB of compressed colour profiles in a PNG of 28x28 keep it busy for nine
seconds. Standard library only; imports no other module of app.
"""

import re
import struct
import zlib
from typing import NamedTuple

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_MOST_CHUNKS = 10_000  # of 4 MiB, each holds the 8 KiB that encoders usually write, and much less
_JPEG_MARKER = re.compile(rb"\xff+([\xc0-\xfe])(..)", re.DOTALL)
_JPEG_SCAN = 0xDA
# Frames, tables, JFIF's and Adobe's word on colours: no real one of them is larger than its bound.
_JPEG_NEEDED = frozenset({*range(0xC0, 0xD0), 0xDB, _JPEG_SCAN, 0xDD, 0xE0, 0xEE})
_MOST_SEGMENTS = 500
_LARGEST_SEGMENT_BYTES = 4096
_JPEG_EXIF = 0xE1
_EXIF = b"Exif\0\0"
MOST_EXIF_BYTES = 65_535  # one segment of a JPEG


class Cut(NamedTuple):
    """A picture's file without metadata, its EXIF, and how often its decoder goes over the picture, at least."""

    data: bytes
    exif: bytes
    scans: int = 1


def cut(data: bytes) -> Cut:
    """Cut the metadata out of a PNG or JPEG; leave other files as they are. Raises ValueError if it is damaged."""
    if data.startswith(PNG_SIGNATURE):
        return _cut_png(data)
    return _cut_jpeg(data) if data.startswith(b"\xff\xd8") else Cut(data, b"")


def _cut_png(data: bytes) -> Cut:
    """Keep the first of each chunk that is needed, and join those of pixels, which may be many and empty."""
    chunks: dict[bytes, bytes] = {}
    pixels = []
    place = len(PNG_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        length, kind = struct.unpack_from(">L4s", data, place)
        end = place + 8 + length
        (checksum,) = struct.unpack_from(">L", data, end)
        if kind in _PNG_NEEDED and zlib.crc32(data[place + 4 : end]) != checksum:
            raise ValueError("a checksum is wrong")
        if kind == b"IDAT":
            pixels.append(data[place + 8 : end])
        else:
            chunks.setdefault(kind, data[place + 8 : end])
        if kind == b"IEND":
            break
        place = end + 4
    chunks |= {b"IDAT": b"".join(pixels), b"IEND": b""}
    kept = (_png_chunk(kind, chunks[kind]) for kind in _PNG_NEEDED if kind in chunks)
    return Cut(PNG_SIGNATURE + b"".join(kept), chunks.get(b"eXIf", b"")[:MOST_EXIF_BYTES])


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


def _cut_jpeg(data: bytes) -> Cut:
    """Keep what comes before the first scan and is needed, and all that follows: libjpeg reads that by itself."""
    kept, exif, place, components = [data[:2]], b"", 2, 0
    for _ in range(_MOST_SEGMENTS):
        found = _JPEG_MARKER.match(data, place)
        if not found:
            raise ValueError("a marker is missing")
        marker, length = found[1][0], int.from_bytes(found[2])
        segment = data[found.start(1) : found.start(2) + length]
        place = found.start(2) + length
        if marker == _JPEG_EXIF and segment[3:].startswith(_EXIF):
            exif = exif or segment[3 + len(_EXIF) :]
        if marker not in _JPEG_NEEDED or length > _LARGEST_SEGMENT_BYTES:
            continue
        kept.append(b"\xff" + segment)
        if marker == _JPEG_SCAN:
            # One that leaves components out will be followed by others, or have decoders wait for them.
            scans = data.count(b"\xff\xda", place) + (1 if segment[3:4] == bytes([components]) else 2)
            return Cut(b"".join(kept) + data[place:], exif, scans)
        if marker & 0xF0 == 0xC0 and marker not in {0xC4, 0xC8, 0xCC}:
            components = segment[8] if len(segment) > 8 else 0
    raise ValueError("too many segments")
