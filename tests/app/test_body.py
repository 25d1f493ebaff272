"""Compressed bodies: taken as if they had not been compressed, and bounded before and after."""

import gzip
import json
import tracemalloc
import zlib

import pytest

from app.config import Settings
from app.main import create_app
from tests.app.test_bad_input import assert_error


def bare(data):
    """Deflate without zlib's header, as some clients send it."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


def small_window(data):
    deflate = zlib.compressobj(wbits=9)
    return deflate.compress(data) + deflate.flush()


COMPRESSED = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "in capitals": ("GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate with a small window": ("deflate", small_window),
    "deflate without a header": ("deflate", bare),
    "as it is": ("identity", bytes),
}


def post(client, data, encoding, path="/predict"):
    return client.post(path, data=data, headers={"Content-Encoding": encoding})


@pytest.mark.parametrize("kind", COMPRESSED)
def test_compressed_body_is_read(client, golden, kind):
    encoding, compress = COMPRESSED[kind]
    body = json.dumps({"image": golden[6].image}).encode()
    answer = post(client, compress(body), encoding)
    assert answer.status_code == 200
    assert answer.data == client.post("/predict", data=body).data


def test_compressed_feedback_is_read(client):
    answer = post(client, gzip.compress(b"{}"), "gzip", "/feedback")
    assert_error(answer, 400, "invalid_request", "request_id")


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "", "x" * 300])
def test_other_encoding_is_415_with_what_is_taken(client, encoding):
    assert_error(post(client, b"{}", encoding), 415, "unsupported_media_type", "Send gzip, deflate")


TWICE = gzip.compress(gzip.compress(b"{}"))
BROKEN = {
    "empty": ("gzip", b"", "ends early"),
    "not compressed": ("gzip", b'{"image": []}', "not gzip that can be read"),
    "bare text": ("deflate", b'{"image": []}', "not deflate that can be read"),
    "zlib for gzip": ("gzip", zlib.compress(b"{}"), "not gzip that can be read"),
    "gzip for zlib": ("deflate", gzip.compress(b"{}"), "not deflate that can be read"),
    "cut short": ("gzip", gzip.compress(b"{}" * 100)[:-1], "ends early"),
    "wrong checksum": ("gzip", gzip.compress(b"{}")[:-8] + bytes(8), "not gzip that can be read"),
    "two in one": ("gzip", gzip.compress(b"{") + gzip.compress(b"}"), "goes on after its end"),
    "more after it": ("deflate", zlib.compress(b"{}") + b"x", "goes on after its end"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_compression_is_400(client, kind):
    encoding, data, fragment = BROKEN[kind]
    assert_error(post(client, data, encoding), 400, "broken_body", fragment)


def test_what_is_compressed_twice_is_decompressed_once(client):
    assert_error(post(client, TWICE, "gzip"), 400, "invalid_json", "not JSON")


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_bomb_is_413_in_bounded_memory(classifier, encoding, compress):
    """A hundred megabytes in a hundred kilobytes; the limit is one megabyte."""
    limit = 2**20
    client = create_app(Settings(max_body_bytes=limit), classifier).test_client()
    bomb = compress(bytes(100 * limit))
    assert len(bomb) < limit
    tracemalloc.start()
    try:
        answer = post(client, bomb, encoding)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert_error(answer, 413, "body_too_large", f"more than {limit} bytes")
    assert peak_bytes < 5 * limit


def test_limit_counts_what_is_decompressed_to_the_byte(classifier):
    client = create_app(Settings(max_body_bytes=1000), classifier).test_client()
    for length, status in [(1000, 400), (1001, 413)]:
        assert post(client, gzip.compress(b" " * length), "gzip").status_code == status


def test_compressed_body_over_the_limit_is_413_before_it_is_read(classifier):
    client = create_app(Settings(max_body_bytes=100), classifier).test_client()
    answer = post(client, gzip.compress(bytes(range(256))), "gzip")
    assert_error(answer, 413, "body_too_large", "at most 100")
