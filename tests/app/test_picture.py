"""Files that anybody may have made: what shows a digit is read right, and nothing costs more than it may."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import picture
from app.image import InvalidImage
from tests.app.test_bad_input import assert_error
from tests.app.test_pictures import form
from tests.files import HOSTILE, LARGEST, ORDINARY
from tests.pictures import enlarged, file_of
from tests.serving import ROOT

MOST_MEMORY_MB = 100  # beyond what Pillow and NumPy take: 4 megapixels of 4 bytes, decoded and in the making
MOST_CPU_S = 15  # for all of them; any of the loops that they aim at takes more by itself


@pytest.fixture(scope="module")
def large(golden):
    (case,) = (case for case in golden if case.label == 7)
    return 255 - enlarged(np.uint8(np.reshape(case.image, (28, 28)) * 255), 280)


@pytest.mark.parametrize("kind", ORDINARY)
def test_what_programs_write_is_read_right(client, large, kind):
    answer = client.post("/predict", data=ORDINARY[kind](large), content_type="image/png")
    assert answer.status_code == 200, answer.text
    assert answer.json["prediction"] == 7


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_file_is_refused_with_what_to_send(client, kind):
    answer = client.post("/predict", data=HOSTILE[kind](), content_type="image/png")
    assert_error(answer, 413 if "pixels" in kind or "bomb" in kind else 400, None, "`body`", "end")
    assert b"PIL" not in answer.data
    assert b"<_io" not in answer.data


@pytest.mark.parametrize("kind", ["extensions", "bytes between blocks", "empty comments", "empty chunks"])
def test_file_that_would_keep_its_reader_busy_is_not_read_to_its_end(kind):
    with pytest.raises(InvalidImage, match="made as no program makes one"):
        picture.decode(HOSTILE[kind](), "picture")


@pytest.mark.parametrize("kind", LARGEST)
def test_as_many_pixels_as_are_taken_are_decoded(kind):
    assert picture.decode(LARGEST[kind](), "picture").cost == picture.MOST_PIXELS


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_file_that_was_cut_short_is_refused(client, large, kind):
    whole = file_of(large, kind)
    for share in (0.1, 0.5, 0.9):
        answer = client.post("/predict", data=whole[: int(len(whole) * share)], content_type="image/png")
        assert_error(answer, 400, "invalid_image", f"begins as a {kind}, but is damaged, cut short")


def test_one_spoilt_file_among_good_ones_is_named(client, large):
    answer = client.post("/predict", data=form(file_of(large), b"\xff\xd8\xff", file_of(large)))
    assert_error(answer, 400, "invalid_image", "`file1` begins as a JPEG")


BOUNDED = """
import resource, sys
from app import picture
from app.image import InvalidImage
from tests.files import HOSTILE, LARGEST
files = [make() for make in (HOSTILE | LARGEST).values()]
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]) * 2**20,) * 2)
spent_s = int(resource.getrusage(resource.RUSAGE_SELF).ru_utime)
resource.setrlimit(resource.RLIMIT_CPU, (spent_s + int(sys.argv[2]),) * 2)
for data in files:
    try:
        picture.decode(data, "picture")
    except InvalidImage as error:
        assert not isinstance(error.__cause__, MemoryError), error
print(len(files))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux'")
def test_hostile_files_take_bounded_memory_and_time():
    command = [sys.executable, "-c", BOUNDED, str(MOST_MEMORY_MB), str(MOST_CPU_S)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, f"{len(HOSTILE) + len(LARGEST)}\n"), ended.stderr[-2000:]


@st.composite
def spoilt(draw, kinds=("PNG", "JPEG", "GIF", "BMP", "WEBP")):
    """A file of a picture: as it was, or with some bytes changed, or cut short."""
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    pixels = np.frombuffer(draw(st.binary(max_size=64)) + b"\0\xff", np.uint8)
    content = bytearray(file_of(np.resize(pixels, shape), draw(st.sampled_from(kinds))))
    damage = draw(st.sampled_from(["none", "changed", "cut"]))
    for _ in range(draw(st.integers(1, 4)) if damage == "changed" else 0):
        content[draw(st.integers(2, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(len(content) // 2, len(content))) if damage == "cut" else None])


def test_spoilt_files_are_answered_or_refused(app):
    """Whatever becomes of a file, the answer is a prediction or says what is wrong: never 500, never NaN."""
    client = app.test_client()
    answered = set()

    @settings(max_examples=300, deadline=None)
    @given(spoilt())
    def check(content):
        answer = client.post("/predict", data=content, content_type="image/png")
        answered.add(answer.status_code)
        assert answer.status_code in {200, 400, 413, 415}, answer.text
        if answer.status_code == 200:
            assert 0.1 <= answer.json["confidence"] <= 1

    check()
    assert {200, 400} <= answered


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b""]))
def test_bytes_behind_a_signature_are_decoded_or_refused(content, signature):
    try:
        found = picture.decode(signature + content, "picture")
    except InvalidImage as error:
        assert "`picture`" in str(error)  # noqa: PT017  # it may be decoded, too
    else:
        assert found.grey.dtype == np.uint8
        assert found.grey.ndim == 2
