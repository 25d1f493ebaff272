"""Answers that are given without the application: to what cannot be read, and to what is not taken.

Under overload there may be several of them to each prediction, so that making one must cost next to nothing. Imports
app.errors, app.framing and app.logs only.
"""

import re
from functools import cache
from http import HTTPStatus
from itertools import count
from os import urandom

from app import errors, logs
from app.framing import Frame

_REQUEST_ID = re.compile(rb"\r\nx-request-id:[ \t]*([^\r\n]*?)[ \t]*\r\n", re.IGNORECASE)
_PROTOCOLS = (b"post /v2/", b"get /v2/", b"post /v1/", b"get /v1/")
_PLACE = "request-id"  # where the request's id goes
_numbers = count()


def answer(
    status: int, code: str, message: str, request_id: bytes, *, closing: bool = True, protocols: bool = False
) -> bytes:
    """The bytes of an answer that says what was wrong; `protocols`: in the inference protocols' shape.

    `message` is no caller's text.
    """
    head, before, after = _parts(status, code, message, closing, protocols)
    told = before if protocols else b"%b%b%b" % (before, request_id, after)
    return b"%bContent-Length: %d\r\nX-Request-Id: %b\r\n\r\n%b" % (head, len(told), request_id, told)


@cache
def _parts(status: int, code: str, message: str, closing: bool, protocols: bool) -> tuple[bytes, bytes, bytes]:
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
    if status == 503:
        head += f"Retry-After: {errors.RETRY_AFTER_S}\r\n"
    if closing:
        head += "Connection: close\r\n"
    before, _, after = errors.content(code, message, _PLACE, protocols=protocols).partition(_PLACE.encode())
    return head.encode(), before, after


def is_protocols(frame: Frame) -> bool:
    """Whether a request that was not parsed is one of the inference protocols'."""
    return frame.head.startswith(_PROTOCOLS)


def request_id(data: bytes, frame: Frame) -> bytes:
    """The id of a request that was not parsed: the caller's if it is a good one, otherwise a new one."""
    if b"\r\nx-request-id:" in frame.head and (given := _REQUEST_ID.search(data, 0, len(frame.head))):
        return logs.request_id(given[1].decode("latin-1")).encode()
    return b"%b%016x" % (_process(), next(_numbers))


@cache
def _process() -> bytes:
    """Random, for ids that are counted: eight bytes in hex. Made in the worker, after the fork."""
    return urandom(8).hex().encode()
