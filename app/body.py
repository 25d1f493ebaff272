"""The body of a request: read within its limit, and refused with a sentence when it is broken or of the wrong type.

Used by each door of the service that takes a body. Knows Flask's request; imports no other module of app.
"""

import zlib
from collections.abc import Callable
from typing import BinaryIO

from flask import Request

_STEP_BYTES = 16 * 1024
_READ = "mnist.body_read"  # set in a request's environ once its body was read to the end
_IDENTITY = "identity"
# What each Content-Encoding is to zlib: its window, and whether a gzip header comes first.
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class BodyTooLarge(Exception):
    """The body is larger than the service takes."""


class BrokenBody(Exception):
    """The body ended early, or its chunked encoding is broken."""


class BodyTooLate(Exception):
    """The body did not come in time."""


class NoRoom(Exception):
    """Too many bodies are being read to hold this one as well."""


class UnsupportedMediaType(Exception):
    """The body's Content-Type or Content-Encoding is none that this path takes."""


def read_json(request: Request, limit_bytes: int) -> bytes:
    """Read a body that is JSON by its Content-Type, or has none. Raises what `read` does."""
    if request.mimetype and not is_json(request.mimetype):
        raise UnsupportedMediaType(
            f"the Content-Type is {request.mimetype[:100]!r}. Send JSON with `Content-Type: application/json`."
        )
    return read(request, limit_bytes)


def read(request: Request, limit_bytes: int) -> bytes:
    """Read a whole body, and decompress it if it is compressed.

    Raises BodyTooLarge without reading or decompressing past the limit, BrokenBody if the body is incomplete,
    BodyTooLate, NoRoom, UnsupportedMediaType.
    """
    encoding = request.headers.get("Content-Encoding", _IDENTITY).strip().lower()
    if encoding not in _WINDOWS and encoding != _IDENTITY:
        raise UnsupportedMediaType(
            f"the Content-Encoding is {encoding[:100]!r}. Send gzip, deflate, or the body as it is."
        )
    if request.content_length is not None and request.content_length > limit_bytes:
        raise BodyTooLarge(_too_large(request.content_length, limit_bytes))
    # From the server's stream, not Flask's: Flask answers a broken chunk with 500, and leaves out what was wrong.
    stream = request.environ["wsgi.input"]
    # The server's account of what a worker's bodies hold: of those that did not come together with their heads.
    claim = request.environ.get("mnist.claim")
    take = claim.take if claim else _freely
    try:
        if _is_chunked(request):
            data = _read_chunked(stream, limit_bytes, take)
        else:
            data = _read_length(stream, request.content_length or 0, take)
    except (BodyTooLarge, NoRoom):
        raise
    # Each server has its own exceptions for a connection that breaks and for chunks that are none.
    except Exception as error:
        if claim and claim.is_late():
            raise BodyTooLate("the body did not come in time. Send it sooner, or less of it.") from error
        raise BrokenBody(
            f"the body is broken: {error}. Send as many bytes as Content-Length says, or well-formed chunks."
        ) from error
    request.environ[_READ] = True
    # A body that took its time to come has to wait for its turn now.
    if turn := request.environ.get("mnist.turn"):
        turn()
    return data if encoding == _IDENTITY else _decompress(data, encoding, limit_bytes)


def is_unread(request: Request) -> bool:
    """Whether a request has a body that was not read to its end, because nobody wanted it or it was refused."""
    return _READ not in request.environ and (bool(request.content_length) or _is_chunked(request))


def _is_chunked(request: Request) -> bool:
    return "chunked" in request.headers.get("Transfer-Encoding", "").lower()


def _freely(_size_bytes: int) -> bool:
    return True


def _read_length(stream: BinaryIO, length: int, take: Callable[[int], bool]) -> bytes:
    parts, missing = [], length
    while missing:
        part = _read_step(stream, min(missing, _STEP_BYTES), take)
        if not part:
            raise EOFError(f"it ended after {length - missing} of {length} bytes")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _read_chunked(stream: BinaryIO, limit_bytes: int, take: Callable[[int], bool]) -> bytes:
    parts, read_bytes = [], 0
    while part := _read_step(stream, _STEP_BYTES, take):
        parts.append(part)
        read_bytes += len(part)
        if read_bytes > limit_bytes:
            raise BodyTooLarge(_too_large(f"more than {limit_bytes}", limit_bytes))
    return b"".join(parts)


def _read_step(stream: BinaryIO, size: int, take: Callable[[int], bool]) -> bytes:
    part = stream.read(size)
    if not take(len(part)):
        raise NoRoom("too many large bodies are being read. Send this one again as Retry-After says.")
    return part


def _decompress(data: bytes, encoding: str, limit_bytes: int) -> bytes:
    inflate = zlib.decompressobj(_WINDOWS[encoding])
    if encoding == "deflate" and not _has_zlib_header(data):
        # RFC 9110, 8.4.1.2: some send the bare format of RFC 1951 under this name.
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # A bomb is not unpacked to see how large it is.
        decompressed = inflate.decompress(data, limit_bytes + 1)
    except zlib.error as error:
        raise BrokenBody(f"the body is not {encoding} that can be read. Send what Content-Encoding says.") from error
    if len(decompressed) > limit_bytes:
        raise BodyTooLarge(_too_large(f"more than {limit_bytes}", limit_bytes))
    if not inflate.eof or inflate.unused_data:
        what = "goes on after its end" if inflate.eof else "ends early"
        raise BrokenBody(f"the body's {encoding} {what}. Send it whole, compressed once and in one piece.")
    return decompressed


def _has_zlib_header(data: bytes) -> bool:
    """Whether the two bytes are there with which RFC 1950 begins."""
    return len(data) > 1 and data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0


def _too_large(found: int | str, limit_bytes: int) -> str:
    return (
        f"the body holds {found} bytes; at most {limit_bytes} are taken. Send fewer or smaller images in one request."
    )


def is_json(mimetype: str) -> bool:
    """Whether a Content-Type, without its parameters, is JSON's."""
    return mimetype == "application/json" or (mimetype.startswith("application/") and mimetype.endswith("+json"))
