"""Where a request ends, told from its head alone and without parsing the rest.

It decides only how long to wait and how much to skip; what a request says is for gunicorn's parser to tell. Whatever is
unusual here is left to that parser from its first byte. Standard library only.
"""

import re
from functools import lru_cache
from typing import NamedTuple

_HEAD_BYTES = 16 * 1024
_REMEMBERED_BYTES = 1024
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n")
# Each of these changes where the body ends or who has to speak next, or goes on with the line before.
_BODY_UNCLEAR = re.compile(rb"\r\n(?:[ \t]|(?:transfer-encoding|expect|upgrade)[ \t]*:)")


class Frame(NamedTuple):
    """The first request in some bytes: its length with the body, its head in lower case; if it is the client's last."""

    length: int
    head: bytes
    is_last: bool


NOT_PLAIN = Frame(0, b"", is_last=True)


def find(data: bytes) -> Frame | None:
    """Find where the first request in data ends, whether or not that has come yet; None if its head has not."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None if len(data) < _HEAD_BYTES else NOT_PLAIN
    return _remembered(data[: end + 2]) if end < _REMEMBERED_BYTES else _read(data[: end + 2])


def _read(given: bytes) -> Frame:
    head = given.lower()
    lines = head.count(b"\r\n")
    lengths = head.count(b"\r\ncontent-length")
    # An end of line that is only half of one is a line's end to some and not to others.
    if lengths > 1 or head.count(b"\n") > lines or head.count(b"\r") > lines or _BODY_UNCLEAR.search(head):
        return NOT_PLAIN
    is_last = b" http/1.0\r\n" in head or b"\r\nconnection: close\r\n" in head
    if not lengths:
        return Frame(len(head) + 2, head, is_last)
    length = _CONTENT_LENGTH.search(head)
    return Frame(len(head) + 2 + int(length[1]), head, is_last) if length else NOT_PLAIN


# A client's requests begin alike, mostly.
_remembered = lru_cache(maxsize=256)(_read)
