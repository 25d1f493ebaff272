"""Corruptions: the same for the same seed, harder with severity, and what is known of the simple ones."""

import gzip

import numpy as np
import pytest

from tests.serving import ROOT
from training import TrainingError
from training.corruptions import KINDS, accuracies, corrupted
from training.data import Split, idx
from training.warps import affine

EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def digits():
    """Forty images of MNIST that are in the repository, so that no data set is needed."""
    path = ROOT / "deploy" / "drift" / "validation1000-images-idx3-ubyte.gz"
    return idx(gzip.decompress(path.read_bytes()), 3)[:40]


@pytest.fixture
def dot():
    """One image, black but for one white pixel in row 10, column 13."""
    image = np.zeros((1, 28, 28), dtype=np.uint8)
    image[0, 10, 13] = 255
    return image


def likeness(images, others):
    """The mean correlation of images with others: 1 is the same but for brightness, -1 the inverse."""
    return np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(images, others, strict=True)])


def test_there_are_fifteen():
    assert len(set(KINDS)) == 15


@EVERY_KIND
def test_images_stay_images_and_originals_as_they_are(kind, digits):
    before = digits.copy()
    for severity in (1, 5):
        found = corrupted(digits, kind, severity, 0)
        assert found.shape == digits.shape
        assert found.dtype == np.uint8
        assert (found != digits).any(axis=(1, 2)).all()
        # Something is left to read.
        assert (found.std(axis=(1, 2)) > 10).all()
    assert (digits == before).all()


@EVERY_KIND
def test_each_severity_leaves_less_of_the_digit(kind, digits):
    left = [likeness(digits, corrupted(digits, kind, severity, 0)) for severity in range(1, 6)]
    assert all(np.diff(left) < -0.005), left


@EVERY_KIND
def test_image_is_corrupted_the_same_in_any_company(kind, digits):
    whole = corrupted(digits, kind, 3, seed=7)
    assert (corrupted(digits, kind, 3, seed=7) == whole).all()
    backwards = np.concatenate([corrupted(digits[index : index + 1], kind, 3, seed=7) for index in range(39, -1, -1)])
    assert (backwards[::-1] == whole).all()


def test_long_batch_is_corrupted_throughout(digits):
    many = np.tile(digits, (8, 1, 1))
    assert (corrupted(many, "shot_noise", 3, 0) == np.tile(corrupted(digits, "shot_noise", 3, 0), (8, 1, 1))).all()


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"scale", "brightness", "stripe", "canny_edges"}))
def test_seed_decides(kind, digits):
    assert (corrupted(digits, kind, 3, seed=0) != corrupted(digits, kind, 3, seed=1)).any()


@pytest.mark.parametrize("kind", ["shear", "rotate", "translate", "impulse_noise", "zigzag", "fog"])
def test_images_are_not_all_corrupted_alike(kind, digits):
    changes = corrupted(digits, kind, 3, 0).astype(int) - digits
    nearly_same = digits[:1].repeat(9, axis=0)
    nearly_same[np.arange(9), 0, np.arange(9)] = 1
    found = corrupted(nearly_same, kind, 3, 0)
    assert len({image[8:20, 8:20].tobytes() for image in found}) > 1
    assert len({change.tobytes() for change in changes}) == len(digits)


@pytest.mark.parametrize("severity", [0, 6, -1, 2.5])
def test_unknown_severity_is_refused(severity, digits):
    with pytest.raises(TrainingError, match=rf"^there is no severity {severity}\. There are 1 to 5\.$"):
        corrupted(digits, "fog", severity, 0)


def test_unknown_kind_is_refused_with_those_there_are(digits):
    with pytest.raises(TrainingError, match=r"^there is no corruption 'snow'\. There are shot_noise, .*canny_edges\.$"):
        corrupted(digits, "snow", 3, 0)


@pytest.mark.parametrize("severity", range(1, 6))
def test_translation_is_by_whole_pixels_on_both_axes(severity, dot):
    places = set()
    for seed in range(20):
        (found,) = corrupted(dot, "translate", severity, seed)
        assert np.sort(found.ravel())[-2:].tolist() == [0, 255]
        row, column = np.unravel_index(found.argmax(), found.shape)
        places.add((int(row) - 10, int(column) - 13))
    assert places == {(severity, severity), (severity, -severity), (-severity, severity), (-severity, -severity)}


def test_stripe_inverts_the_borders_and_in_the_end_all(digits):
    found = corrupted(digits, "stripe", 3, 0)
    assert (found[:, :, 7:21] == digits[:, :, 7:21]).all()
    assert (found[:, :, :7] == 255 - digits[:, :, :7]).all()
    assert (found[:, :, 21:] == 255 - digits[:, :, 21:]).all()
    assert (corrupted(digits, "stripe", 5, 0) == 255 - digits).all()


def test_brightness_adds_light_up_to_white(digits):
    expected = np.minimum(digits.astype(int) + 127.5, 255)
    assert np.abs(corrupted(digits, "brightness", 3, 0) - expected).max() <= 0.5


def test_impulse_noise_hits_the_share_that_it_should():
    grey = np.full((20, 28, 28), 100, dtype=np.uint8) + np.arange(20, dtype=np.uint8)[:, None, None]
    found = corrupted(grey, "impulse_noise", 3, 0)
    assert np.mean(found == 0) == pytest.approx(0.085, abs=0.01)
    assert np.mean(found == 255) == pytest.approx(0.085, abs=0.01)
    assert ((found == grey) | (found == 0) | (found == 255)).all()


def test_shot_noise_spares_the_paper_and_keeps_the_mean():
    grey = np.full((40, 28, 28), 60, dtype=np.uint8)
    grey[:, 14:] = 0
    grey[:, 13, 13] = np.arange(40)
    found = corrupted(grey, "shot_noise", 1, 0)
    assert (found[:, 14:] == 0).all()
    assert found[:, :13].mean() == pytest.approx(60, abs=1)
    # Poisson: the variance of a count is its mean.
    assert (found[:, :13] / 255 * 12).var() == pytest.approx(60 * 12 / 255, rel=0.05)


def test_spatter_covers_ink_and_paper(digits):
    found = corrupted(digits, "spatter", 5, 0)
    mud = found == 64
    assert np.mean(mud) == pytest.approx(0.3, abs=0.01)
    assert (mud & (digits == 255)).any()
    assert (found[~mud] == digits[~mud]).all()


def test_canny_edges_outline_a_square():
    square = np.zeros((1, 28, 28), dtype=np.uint8)
    square[0, 8:20, 8:20] = 255
    (found,) = corrupted(square, "canny_edges", 3, 0)
    assert set(np.unique(found)) == {0, 255}
    assert (found[10:18, 10:18] == 0).all()
    # One pixel thick on each of the four sides.
    assert (found[14] == 255).sum() == 2
    assert (found[:, 14] == 255).sum() == 2
    # A shade on the paper has no edge.
    assert not corrupted(square // 10, "canny_edges", 3, 0).any()


def test_affine_turns_by_a_right_angle_exactly(digits):
    quarter = np.array([[0.0, 1.0], [-1.0, 0.0]])
    assert np.allclose(affine(digits.astype(np.float32), quarter), np.rot90(digits, axes=(1, 2)), atol=1e-3)


def test_affine_halves_about_the_centre(dot):
    found = affine(dot.astype(np.float32), np.eye(2) / 0.5)
    # The dot was 3.5 above and 0.5 left of the centre, and is now half as far.
    assert found[0].argmax() == 28 * 12 + 13


def test_affine_leaves_background_where_nothing_was():
    white = np.ones((1, 28, 28), dtype=np.float32)
    expected = np.pad(np.ones((14, 14)), 7)
    assert (affine(white, np.eye(2) / 0.5)[0] == expected).all()


def test_accuracies_are_those_of_the_corrupted_images():
    """A model that reads only the top left pixel: white is 1, black is 0."""
    split = Split(np.zeros((6, 28, 28), dtype=np.uint8), np.zeros(6, dtype=np.int64))
    split.images[:, 14, 14] = np.arange(200, 206)

    def predict(images):
        return np.stack([images[:, 0, 0] <= 0.5, images[:, 0, 0] > 0.5], axis=1).astype(np.float32)

    found = accuracies(predict, split, severity=5)
    assert tuple(found) == KINDS
    assert found["stripe"] == found["brightness"] == 0
    assert found["shot_noise"] == found["scale"] == 1
    assert accuracies(predict, split, severity=1)["brightness"] == 1
