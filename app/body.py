"""The body of a request: read within its limit, and refused with a sentence when it is broken or of the wrong type.

Used by each door of the service that takes a body. Knows Flask's request; imports no other module of app.
"""

from typing import BinaryIO

from flask import Request

_STEP_BYTES = 64 * 1024
_READ = "mnist.body_read"  # set in a request's environ once its body was read to the end


class BodyTooLarge(Exception):
    """The body is larger than the service takes."""


class BrokenBody(Exception):
    """The body ended early, or its chunked encoding is broken."""


class UnsupportedMediaType(Exception):
    """The body's Content-Type or Content-Encoding is none that this path takes."""


def read_json(request: Request, limit_bytes: int) -> bytes:
    """Read a body that is JSON by its Content-Type, or has none. Raises what `read` does."""
    if request.mimetype and not _is_json(request.mimetype):
        raise UnsupportedMediaType(
            f"the Content-Type is {request.mimetype[:100]!r}. Send JSON with `Content-Type: application/json`."
        )
    return read(request, limit_bytes)


def read(request: Request, limit_bytes: int) -> bytes:
    """Read a whole body.

    Raises BodyTooLarge without reading past the limit, BrokenBody if the body is incomplete, UnsupportedMediaType.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("the body is compressed. Send it as it is, without Content-Encoding.")
    if request.content_length is not None and request.content_length > limit_bytes:
        raise BodyTooLarge(_too_large(request.content_length, limit_bytes))
    # From the server's stream, not Flask's: Flask answers a broken chunk with 500, and leaves out what was wrong.
    stream = request.environ["wsgi.input"]
    try:
        if _is_chunked(request):
            data = _read_chunked(stream, limit_bytes)
        else:
            data = _read_length(stream, request.content_length or 0)
    except BodyTooLarge:
        raise
    # Each server has its own exceptions for a connection that breaks and for chunks that are none.
    except Exception as error:
        raise BrokenBody(
            f"the body is broken: {error}. Send as many bytes as Content-Length says, or well-formed chunks."
        ) from error
    request.environ[_READ] = True
    return data


def is_unread(request: Request) -> bool:
    """Whether a request has a body that was not read to its end, because nobody wanted it or it was refused."""
    return _READ not in request.environ and (bool(request.content_length) or _is_chunked(request))


def _is_chunked(request: Request) -> bool:
    return "chunked" in request.headers.get("Transfer-Encoding", "").lower()


def _read_length(stream: BinaryIO, length: int) -> bytes:
    parts, missing = [], length
    while missing and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    if missing:
        raise EOFError(f"it ended after {length - missing} of {length} bytes")
    return b"".join(parts)


def _read_chunked(stream: BinaryIO, limit_bytes: int) -> bytes:
    parts, read_bytes = [], 0
    while part := stream.read(_STEP_BYTES):
        parts.append(part)
        read_bytes += len(part)
        if read_bytes > limit_bytes:
            raise BodyTooLarge(_too_large(f"more than {limit_bytes}", limit_bytes))
    return b"".join(parts)


def _too_large(found: int | str, limit_bytes: int) -> str:
    return f"the body holds {found} bytes; at most {limit_bytes} are taken. Send fewer images in one request."


def _is_json(mimetype: str) -> bool:
    return mimetype == "application/json" or (mimetype.startswith("application/") and mimetype.endswith("+json"))
