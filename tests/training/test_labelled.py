"""Labelled images that people made: what is read as it was written, and what is refused by name."""

import gzip
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from app import normalize, picture
from tests.files import head, png
from tests.pictures import file_of
from tests.training.conftest import idx
from training.data import DataError, Split
from training.labelled import load

IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"


@st.composite
def splits(draw):
    """A few images of white ink on black, whatever the ink shows."""
    count = draw(st.integers(1, 4))
    ink = draw(arrays.arrays(np.uint8, (count, 20, 20), elements=st.integers(0, 240)))
    ink[:, 10, 10] = 240
    labels = draw(arrays.arrays(np.int64, count, elements=st.integers(0, 9)))
    return Split(np.pad(ink, ((0, 0), (4, 4), (4, 4))), labels)


def write_images(folder, split, mode="L", suffix=".png", **options):
    """Write folder/DIGIT/INDEX.png and the like; give the split in the order in which it will be read."""
    for index, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        Image.fromarray(image).convert(mode).save(folder / str(label) / f"{index:05}{suffix}", **options)
    order = np.argsort(split.labels, kind="stable")
    return Split(split.images[order], split.labels[order])


def write_idx(folder, split, prefix="", end=""):
    pack = gzip.compress if end else bytes
    (folder / f"{prefix}{IMAGES}{end}").write_bytes(pack(idx(split.images)))
    (folder / f"{prefix}{LABELS}{end}").write_bytes(pack(idx(split.labels)))


def assert_same(found, expected):
    assert np.array_equal(found.images, expected.images)
    assert np.array_equal(found.labels, expected.labels)
    assert (found.images.dtype, found.labels.dtype) == (np.uint8, np.int64)


@settings(max_examples=40, deadline=None)
@given(
    splits(),
    st.sampled_from([("L", ".png"), ("LA", ".PNG"), ("RGB", ".png"), ("RGBA", ".png"), ("P", ".png"), ("RGB", ".bmp")]),
)
def test_images_load_as_they_were_written(split, form):
    with TemporaryDirectory() as path:
        folder = Path(path)
        expected = write_images(folder, split, *form)
        found = load(folder)
        assert_same(found.split, expected)
        assert found.names == [file.relative_to(folder).as_posix() for file in sorted(folder.glob("*/*"))]


@settings(max_examples=20, deadline=None)
@given(splits(), splits(), st.sampled_from(["", ".gz"]))
def test_idx_files_load_as_they_were_written(first, second, end):
    with TemporaryDirectory() as path:
        write_idx(Path(path), second, "t-", end)
        write_idx(Path(path), first, "a-")
        found = load(Path(path))
    joined = Split(np.concatenate([first.images, second.images]), np.concatenate([first.labels, second.labels]))
    assert_same(found.split, joined)
    assert found.names[0] == f"a-{IMAGES}[0]"
    assert found.names[-1] == f"t-{IMAGES}[{len(second) - 1}]"


@pytest.fixture
def digit():
    """One image: a bar, white on black."""
    image = np.zeros((28, 28), dtype=np.uint8)
    image[5:23, 12:16] = 255
    return image


@pytest.fixture
def folder(tmp_path, digit):
    """A folder with two images of each digit."""
    write_images(tmp_path, Split(np.repeat(digit[None], 20, axis=0), np.repeat(np.arange(10), 2)))
    return tmp_path


def test_jpeg_is_read(tmp_path, digit):
    write_images(tmp_path, Split(digit[None], np.array([3])), suffix=".JPG", quality=95)
    found = load(tmp_path).split
    assert np.abs(found.images[0].astype(int) - digit).max() < 16
    assert found.labels.tolist() == [3]


def test_transparent_pixels_are_black(folder, digit):
    drawn = np.full((28, 28, 4), 255, dtype=np.uint8)
    drawn[..., 3] = digit // 2
    Image.fromarray(drawn).save(folder / "0" / "00000.png")
    assert np.abs(load(folder).split.images[0].astype(int) - digit // 2).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".bmp", ".webp"])
def test_picture_of_another_size_is_made_like_mnist_as_in_serving(folder, digit, suffix):
    """Black on white, large, and not in the middle."""
    page = Image.new("L", (400, 500), "white")
    page.paste(Image.fromarray(255 - digit).resize((280, 280)), (100, 20))
    page.save(folder / "0" / f"00002{suffix}")
    found = load(folder).split.images[2]
    seen = picture.decode((folder / "0" / f"00002{suffix}").read_bytes(), "picture").grey
    assert np.array_equal(found, np.rint(normalize.like_mnist(seen, "picture") * 255))
    assert np.ptp(np.nonzero(found.max(axis=1) > 127)) + 1 == 20


def test_black_on_white_is_inverted(folder, digit):
    Image.fromarray(255 - digit).save(folder / "0" / "00000.png")
    assert np.array_equal(load(folder).split.images[0], digit)


def test_ink_may_touch_the_border(tmp_path, digit):
    digit[-1] = 255
    write_images(tmp_path, Split(digit[None], np.array([2])))
    assert np.array_equal(load(tmp_path).split.images[0], digit)


def test_hidden_files_are_left_alone(folder):
    (folder / ".DS_Store").write_bytes(b"?")
    (folder / "4" / ".thumbs.db").write_bytes(b"?")
    assert len(load(folder).names) == 20


def test_order_is_of_names_not_of_the_disk(folder, monkeypatch):
    iterdir = Path.iterdir
    names = []
    for reverse in (False, True):
        monkeypatch.setattr(Path, "iterdir", lambda path, r=reverse: iter(sorted(iterdir(path), reverse=r)))
        names.append(load(folder).names)
    assert names[0] == names[1]


def head_of_png(width, height):
    """A PNG that says how large its picture is, and has no picture."""
    return png(head(width, height), (b"IDAT", b""), (b"IEND", b""))


BLANK = np.zeros((28, 28), dtype=np.uint8)
BOX = np.pad(np.full((8, 8), 255, dtype=np.uint8), 10)
BRIGHT = np.pad(np.full((26, 26), 180, dtype=np.uint8), 1, constant_values=100)
FAULTS = {  # name: what the file holds, or None for a folder, and what is said of it
    # Refused for what the head says, as there is nothing to decode.
    "3/huge.png": (head_of_png(3_000, 3_000), "holds 3000x3000 pixels; at most 4.2 million"),
    "3/warning.png": (head_of_png(12_000, 12_000), "holds too many pixels"),
    "3/bomb.png": (head_of_png(60_000, 60_000), "holds too many pixels"),
    "3/empty.png": (b"", "is no picture that can be read"),
    "3/cut.png": (file_of(BOX)[:50], "begins as a PNG, but is damaged"),
    "3/headless.png": (head_of_png(28, 28), "begins as a PNG, but is damaged"),
    # Pillow says so with a ValueError and a SyntaxError.
    "3/short.png": (png((b"IHDR", b"short")), "begins as a PNG, but is damaged"),
    "3/chunk.png": (png(head(28, 28)) + b"no such chunk", "begins as a PNG, but is damaged"),
    "3/false.png": (b"GIF89a", "begins as a GIF, but is damaged"),
    "3/bright.png": (file_of(BRIGHT), "not white ink on black"),
    "3/blank.png": (file_of(BLANK), "shows no ink"),
    "3/notes.txt": (b"a note", "no place for it here"),
    "3/folder.png": (None, "no place for it here"),
    "10": (None, "no place for it here"),
    "a": (None, "no place for it here"),
    "README": (b"a note", "no place for it here"),
    "3.png": (file_of(BOX), "no place for it here"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_used_is_refused_by_name(folder, name):
    content, message = FAULTS[name]
    if content is None:
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        load(folder)
    assert str(error.value).startswith(f"{folder}: {name}: {message}")


def test_message_holds_every_fault_and_the_first_names(folder):
    for index in range(7):
        (folder / "8" / f"cut{index}.png").write_bytes(b"?")
    (folder / "9" / "blank.png").write_bytes(file_of(BLANK))
    with pytest.raises(DataError) as error:
        load(folder)
    assert "8/cut0.png, 8/cut1.png, 8/cut2.png, 8/cut3.png, 8/cut4.png and 2 more: is no picture" in str(error.value)
    assert "9/blank.png: shows no ink" in str(error.value)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_spoilt_file_is_read_or_refused(data):
    """Pillow's decoders raise nearly anything; people see one sentence."""
    file = io.BytesIO()
    Image.fromarray(BOX).save(file, data.draw(st.sampled_from(["PNG", "JPEG", "BMP"])))
    spoilt = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(2, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    with TemporaryDirectory() as path:
        (Path(path) / "5").mkdir()
        (Path(path) / "5" / "spoilt.png").write_bytes(spoilt[: data.draw(st.integers(2, len(spoilt)))])
        try:
            assert load(Path(path)).names == ["5/spoilt.png"]
        except DataError as error:
            assert "5/spoilt.png" in str(error)  # noqa: PT017  # it may be read, too


@pytest.mark.parametrize(
    "make", [lambda _: None, Path.mkdir, Path.touch, lambda path: (path / "3").mkdir(parents=True)]
)
def test_nothing_to_read_says_what_to_give(tmp_path, make):
    make(tmp_path / "digits")
    with pytest.raises(DataError, match=r"subfolders named 0 to 9 .* or with IDX files"):
        load(tmp_path / "digits")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (IMAGES, lambda raw: raw[:-1], f"{IMAGES} is truncated"),
        (IMAGES, lambda raw: raw + b"?", f"{IMAGES} is truncated, or no IDX file of 3 dimensions"),
        (IMAGES, lambda raw: raw[:9], f"{IMAGES} is truncated"),
        (IMAGES, lambda _: b"", f"{IMAGES} is truncated"),
        (IMAGES, lambda _: idx(np.zeros(50)), f"{IMAGES} is truncated, or no IDX file of 3 dimensions"),
        (IMAGES, lambda _: idx(np.zeros((2, 28, 27))), f"{IMAGES}: not 28x28 pixels"),
        (IMAGES, lambda _: idx(np.full((2, 28, 28), 9)), f"{IMAGES}[0], {IMAGES}[1]: not white ink on black"),
        (LABELS, lambda _: idx(np.array([3, 10])), f"{LABELS}: [1] is 10, but a label is 0 to 9"),
        (LABELS, lambda _: idx(np.array([3, 4, 5])), f"{IMAGES} holds 2 images, but {{folder}}/{LABELS} 3 labels"),
        (LABELS, lambda raw: raw[:-1], f"{LABELS} is truncated, or no IDX file of 1 dimension"),
        (f"t-{IMAGES}", lambda _: idx(np.zeros((2, 28, 28))), f"holds t-{IMAGES} without t-{LABELS}"),
        (f"t-{LABELS}", lambda _: idx(np.zeros(2)), f"t-{LABELS}: no place for it"),
        ("README", lambda _: b"a note", "README: no place for it"),
        (f"{IMAGES}.gz", lambda _: b"text", f"{IMAGES}.gz is truncated"),
        (f"{IMAGES}.gz", lambda _: gzip.compress(bytes(50))[:-9], f"{IMAGES}.gz is truncated"),
        (f"{IMAGES}.gz", lambda _: gzip.compress(bytes(50))[:10] + b"\xff" * 20, f"{IMAGES}.gz is truncated"),
    ],
)
def test_spoilt_idx_files_are_refused_by_name(tmp_path, digit, name, content, message):
    write_idx(tmp_path, Split(np.stack([digit, digit]), np.array([3, 4])))
    path = tmp_path / name
    path.write_bytes(content(path.read_bytes() if path.exists() else b""))
    with pytest.raises(DataError) as error:
        load(tmp_path)
    assert message.format(folder=tmp_path) in str(error.value)


def test_empty_idx_files_hold_no_image(tmp_path):
    write_idx(tmp_path, Split(np.zeros((0, 28, 28), dtype=np.uint8), np.zeros(0, dtype=np.int64)))
    with pytest.raises(DataError, match="holds no image"):
        load(tmp_path)
