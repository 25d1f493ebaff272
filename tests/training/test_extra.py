"""Extra data: what is added to the training images, and that no copy of a validation or test image gets there."""

import gzip
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.serving import ROOT
from tests.training.conftest import idx
from training.data import DataError, Dataset, Split
from training.duplicates import NEAR_RMS, SHIFT_PIXELS, identical, near, repeated
from training.extra import add

NONE_DROPPED = {"duplicate": 0, "in_train": 0, "in_test": 0, "in_validation": 0}


def mnist1000():
    """The thousand images of MNIST that are in the repository."""
    packed = (ROOT / "deploy" / "drift" / f"validation1000-{name}-ubyte.gz" for name in ("images-idx3", "labels-idx1"))
    images, labels = (np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8) for path in packed)
    return Split(images[16:].reshape(-1, 28, 28), labels[8:].astype(np.int64))


MNIST = mnist1000()


def part(start, stop):
    return Split(MNIST.images[start:stop], MNIST.labels[start:stop])


DATASET = Dataset("mnist", part(0, 200), part(200, 250), part(250, 300), "sum of the data set")
NEW = part(300, 340)


def write(folder, split):
    folder.mkdir(exist_ok=True)
    (folder / "images-idx3-ubyte").write_bytes(idx(split.images))
    (folder / "labels-idx1-ubyte").write_bytes(idx(split.labels))
    return folder


def join(*splits):
    return Split(np.concatenate([s.images for s in splits]), np.concatenate([s.labels for s in splits]))


def moved(images, down, right):
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4)))
    return padded[:, 4 - down : 32 - down, 4 - right : 32 - right]


def as_jpeg(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def test_images_stand_behind_the_training_images(tmp_path):
    dataset, lineage = add(DATASET, write(tmp_path / "confirmed", NEW))
    assert np.array_equal(dataset.train.images, join(DATASET.train, NEW).images)
    assert np.array_equal(dataset.train.labels, join(DATASET.train, NEW).labels)
    assert (dataset.name, dataset.validation, dataset.test) == ("mnist", DATASET.validation, DATASET.test)
    assert dataset.sha256 != DATASET.sha256
    assert len(dataset.sha256) == len(lineage.pop("sha256")) == 64
    counts = np.bincount(NEW.labels, minlength=10).tolist()
    assert json.loads(json.dumps(lineage)) == {
        "folder": "confirmed",
        "n_found": 40,
        "n_used": 40,
        "dropped": NONE_DROPPED,
        "class_counts": counts,
    }


def test_copies_are_dropped_and_counted(tmp_path):
    copies = join(NEW, part(0, 5), part(200, 207), part(250, 261), part(300, 303))
    dataset, lineage = add(DATASET, write(tmp_path, copies))
    assert np.array_equal(dataset.train.images, join(DATASET.train, NEW).images)
    assert lineage["dropped"] == {"duplicate": 3, "in_train": 5, "in_validation": 7, "in_test": 11}
    assert (lineage["n_found"], lineage["n_used"]) == (66, 40)
    assert lineage["sha256"] == add(DATASET, write(tmp_path, NEW))[1]["sha256"]


def test_sha256_is_of_images_and_labels_in_any_order(tmp_path):
    def sums(split, dataset=DATASET):
        changed, lineage = add(dataset, write(tmp_path, split))
        return changed.sha256, lineage["sha256"]

    assert sums(Split(NEW.images[::-1], NEW.labels[::-1])) == sums(NEW)
    other_label = NEW.labels.copy()
    other_label[7] = (other_label[7] + 1) % 10
    other_pixel = NEW.images.copy()
    other_pixel[7, 14, 14] ^= 1
    other_data = Dataset("mnist", DATASET.train, DATASET.validation, DATASET.test, "another sum")
    changed = [sums(Split(NEW.images, other_label)), sums(Split(other_pixel, NEW.labels)), sums(NEW, other_data)]
    assert len({sums(NEW)[0], *(both for both, _ in changed)}) == 4
    assert len({sums(NEW)[1], *(alone for _, alone in changed)}) == 3


def test_two_labels_of_an_image_are_refused_by_name(tmp_path):
    for digit, name in ((3, "a"), (5, "b"), (5, "c")):
        (tmp_path / str(digit)).mkdir(exist_ok=True)
        Image.fromarray(NEW.images[0]).save(tmp_path / str(digit) / f"{name}.png")
    with pytest.raises(DataError) as error:
        add(DATASET, tmp_path)
    assert f"{tmp_path}: 3/a.png = 5/b.png, 3/a.png = 5/c.png: one image with two labels" in str(error.value)


def test_nothing_new_says_why(tmp_path):
    with pytest.raises(DataError) as error:
        add(DATASET, write(tmp_path, join(part(0, 2), part(250, 251))))
    assert "none of 3 images is new (duplicate 0, in_train 2, in_test 1, in_validation 0)" in str(error.value)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 49),
    st.integers(50, 100),
    st.integers(-SHIFT_PIXELS, SHIFT_PIXELS),
    st.integers(-SHIFT_PIXELS, SHIFT_PIXELS),
)
def test_copy_is_near_though_moved_and_saved_as_jpeg(index, quality, down, right):
    copy = as_jpeg(moved(DATASET.test.images[index : index + 1], down, right)[0], quality)
    assert near(copy[None], DATASET.test.images).tolist() == [True]


def test_other_digits_are_not_near():
    """But for a few 1s: the strokes of two people can be as like as that."""
    mask = near(MNIST.images[600:], MNIST.images[:300])
    assert set(MNIST.labels[600:][mask].tolist()) <= {1}
    assert mask.sum() <= 5


def test_near_has_bounds():
    flat = np.full((1, 28, 28), 100, dtype=np.uint8)
    step = int(NEAR_RMS)
    assert near(flat + np.uint8(step), flat).tolist() == [True]
    assert near(flat + np.uint8(step + 1), flat).tolist() == [False]
    far = moved(MNIST.images[:20], SHIFT_PIXELS + 1, 0)
    assert not near(far, MNIST.images[:20]).all()


def test_near_is_what_comparing_every_pixel_says():
    """Images with noise around the limit; the means that are compared first must lose none."""
    references = MNIST.images[:40]
    noise = np.random.default_rng(0).normal(0, 1, (40, 28, 28)) * np.linspace(5, 30, 40)[:, None, None]
    noisy = np.clip(moved(references, 1, -2) + noise, 0, 255).astype(np.uint8)
    expected = [
        any(
            np.sqrt(np.square(image - moved(references, down, right).astype(float)).mean((1, 2))).min() <= NEAR_RMS
            for down in range(-SHIFT_PIXELS, SHIFT_PIXELS + 1)
            for right in range(-SHIFT_PIXELS, SHIFT_PIXELS + 1)
        )
        for image in noisy.astype(float)
    ]
    assert 10 < sum(expected) < 30
    assert near(noisy, references).tolist() == expected


def test_more_images_than_one_block():
    """Copies at both ends and in the middle, so that no block is forgotten."""
    images = np.concatenate([MNIST.images[300:]] * 2)
    found = np.flatnonzero(near(images, MNIST.images[[310, 650, 999]]))
    assert {10, 350, 699, 710, 1050, 1399} <= set(found.tolist())
    assert len(found) < 30


def test_repeated_and_identical():
    images = MNIST.images[[5, 6, 5, 7, 6, 5]]
    assert repeated(images).tolist() == [False, False, True, False, True, True]
    assert identical(images, MNIST.images[6:8]).tolist() == [False, True, False, True, True, False]
