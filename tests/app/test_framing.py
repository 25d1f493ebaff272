"""Where a request ends: as gunicorn's parser sees it, whatever the head says, or not told at all."""

import pytest
from gunicorn.config import Config
from gunicorn.http import get_parser
from hypothesis import example, given
from hypothesis import strategies as st

from app import framing
from app.framing import NOT_PLAIN

AFTER = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
NAMES = st.sampled_from(
    [
        "Content-Length",
        "content-length",
        "CONTENT-LENGTH",
        "Content-Length ",
        "Content_Length",
        "Transfer-Encoding",
        "Expect",
        "Upgrade",
        "X",
        "Connection",
        "Content-Type",
    ]
)
VALUES = st.one_of(
    st.integers(0, 40).map(str),
    st.sampled_from(["", "+1", "-1", "1, 1", " 7 ", "0x10", "chunked", "100-continue", "close", "1\r\n 2", "²"]),
)
LINE_ENDS = st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r"])
HEADERS = st.lists(st.tuples(NAMES, st.sampled_from([":", ": ", ":\t", " :"]), VALUES, LINE_ENDS), max_size=4)


def consumed(data):
    """How many bytes of data gunicorn's parser takes for the first request; None if it refuses that."""
    parser = get_parser(Config(), iter([data]), ("127.0.0.1", 1))
    try:
        next(parser).body.read()
    except Exception:  # noqa: BLE001  # each of the parser's, and of its readers
        return None
    return len(data) - len(parser.unreader.take_buffered())


@given(headers=HEADERS, body=st.binary(max_size=60))
@example(headers=[("Content-Length", ": ", "5", "\r\n")], body=b"12345")
@example(
    headers=[("Content-Length", ": ", "5", "\r\n"), ("Transfer-Encoding", ": ", "chunked", "\r\n")], body=b"0\r\n\r\n"
)
@example(headers=[("Content-Length", ": ", "5", "\r\n"), ("content-length", ": ", "0", "\r\n")], body=b"12345")
@example(headers=[("X", ": ", "a", "\n"), ("Content-Length", ": ", "5", "\r\n")], body=b"12345")
def test_a_request_ends_where_the_parser_says(headers, body):
    """What one takes for a body and the other for the next request lets a caller speak in another's name."""
    lines = "".join(f"{name}{colon}{value}{end}" for name, colon, value, end in headers)
    data = b"POST /predict HTTP/1.1\r\nHost: x\r\n" + lines.encode() + b"\r\n" + body + AFTER * 3
    frame = framing.find(data)
    taken = consumed(data)
    assert frame
    assert frame is NOT_PLAIN or taken in {None, frame.length}


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        (b"", 0),
        (b"Content-Length: 12\r\n", 12),
        (b"content-LENGTH:12 \r\nX: y\r\n", 12),
        (b"Content-Length: 999999999\r\n", 999999999),
    ],
)
def test_a_plain_request_is_told_before_its_body_came(headers, length):
    head = b"POST / HTTP/1.1\r\n" + headers + b"\r\n"
    frame = framing.find(head)
    assert (frame.length, frame.head) == (len(head) + length, head[:-2].lower())


@pytest.mark.parametrize(
    "header",
    [
        *(b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Upgrade: h2c"),
        *(b"Content-Length: 1, 1", b"Content-Length: +1", b"Content-Length : 1", b"Content-Length: 1\r\n 2"),
        *(b"Content-Length: 1\r\ncontent-length: 0", b"X: y\nContent-Length: 1", b"X: y\rContent-Length: 1"),
    ],
)
def test_what_is_not_plain_is_left_to_the_parser(header):
    """A request that is refused unparsed is skipped by its frame alone, which must leave no doubt."""
    assert framing.find(b"POST / HTTP/1.1\r\n" + header + b"\r\n\r\n") is NOT_PLAIN


def test_a_head_is_waited_for_but_not_without_end():
    assert framing.find(b"") is None
    assert framing.find(b"POST / HTTP/1.1\r\nContent-Length: 12\r\n") is None
    assert framing.find(b"POST /" + b"x" * 20_000) is NOT_PLAIN
