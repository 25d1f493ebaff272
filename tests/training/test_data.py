"""Where the data comes from, in which order, and what is refused."""

from collections import Counter

import numpy as np
import pytest

from tests.serving import web_server
from tests.training.conftest import write_files
from training import data
from training.data import DataError


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch, tmp_path):
    monkeypatch.delenv("MNIST_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))


@pytest.fixture
def mirror(tmp_path, small_mnist):
    """A web server on loopback with the four files, and the list of what was asked of it."""
    with web_server(write_files(tmp_path / "mirror", small_mnist[0])) as running:
        yield running


@pytest.mark.parametrize("compressed", [True, False])
def test_folder_of_idx_files(tmp_path, small_mnist, compressed):
    contents, sums = small_mnist
    folder = write_files(tmp_path / "files", contents, compressed=compressed)
    loaded = data.load_mnist(folder, sha256=sums)
    assert [len(split) for split in (loaded.train, loaded.validation, loaded.test)] == [20, 20, 20]
    joined = np.concatenate([loaded.train.images, loaded.validation.images])
    assert joined.tobytes() == contents["train-images-idx3-ubyte"][16:]
    assert (loaded.test.labels == np.frombuffer(contents["t10k-labels-idx1-ubyte"][8:], np.uint8)).all()


def test_folder_by_environment_wins_over_cache_and_mirror(tmp_path, small_mnist, mirror, monkeypatch):
    contents, sums = small_mnist
    monkeypatch.setenv("MNIST_DATA_DIR", str(write_files(tmp_path / "files", contents)))
    data.load_mnist(cache=tmp_path / "cache", mirrors=[mirror[0]], sha256=sums)
    assert mirror[1] == []
    assert not (tmp_path / "cache").exists()


def test_download_fills_the_cache_and_the_cache_is_used(tmp_path, small_mnist, mirror):
    first = data.load_mnist(cache=tmp_path / "cache", mirrors=[mirror[0]], sha256=small_mnist[1])
    assert len(mirror[1]) == 4
    second = data.load_mnist(cache=tmp_path / "cache", mirrors=[], sha256=small_mnist[1])
    assert len(mirror[1]) == 4
    assert np.array_equal(first.train.images, second.train.images)


def test_second_mirror_is_tried_when_the_first_lies(tmp_path, small_mnist, mirror):
    (tmp_path / "mirror" / "wrong").mkdir()
    write_files(tmp_path / "mirror" / "wrong", dict.fromkeys(small_mnist[0], b"something else"))
    mirrors = [f"{mirror[0]}/wrong", mirror[0]]
    assert len(data.load_mnist(cache=tmp_path / "cache", mirrors=mirrors, sha256=small_mnist[1]).test) == 20


def test_nothing_works_names_the_three_ways(tmp_path):
    with pytest.raises(DataError) as error:
        data.load_mnist(cache=tmp_path / "cache", mirrors=["http://127.0.0.1:1"])
    message = str(error.value)
    for fragment in (
        "--data-dir",
        "MNIST_DATA_DIR",
        str(tmp_path / "cache"),
        "http://127.0.0.1:1/train-images",
        "--dataset digits",
    ):
        assert fragment in message
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        *(lambda raw: raw[:-9], lambda raw: raw[:-1] + b"?", lambda _: b"", lambda _: b"text"),
        lambda raw: raw[:25] + b"\xff" * 9 + raw[34:],
    ],
)
@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"])
def test_spoilt_file_is_refused_by_name_and_sum(tmp_path, small_mnist, name, spoil):
    contents, sums = small_mnist
    folder = write_files(tmp_path / "files", contents, compressed=name.endswith(".gz"))
    (folder / name).write_bytes(spoil((folder / name).read_bytes()))
    with pytest.raises(DataError) as error:
        data.load_mnist(folder, sha256=sums)
    assert str(folder / name) in str(error.value)
    assert sums[name.removesuffix(".gz")] in str(error.value)


def test_other_peoples_files_are_not_mnist(tmp_path, small_mnist):
    """Well-formed files whose sums are not MNIST's: the default sums refuse them."""
    with pytest.raises(DataError, match=data.MNIST_SHA256["train-images-idx3-ubyte"]):
        data.load_mnist(write_files(tmp_path / "files", small_mnist[0]))


def test_folder_without_a_file_says_which(tmp_path, small_mnist):
    contents, sums = small_mnist
    folder = write_files(tmp_path / "files", contents)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"holds no t10k-labels-idx1-ubyte.gz"):
        data.load_mnist(folder, sha256=sums)


def test_digits_need_no_network_and_have_every_class_in_each_split():
    digits = data.load("digits")
    assert digits.name == "digits"
    assert digits.sha256 == data.load("digits").sha256
    for split in (digits.train, digits.validation, digits.test):
        assert split.images.shape[1:] == (28, 28)
        assert split.images.dtype == np.uint8
        assert Counter(split.labels.tolist()).keys() == set(range(10))


def test_splits_share_no_place():
    digits = data.load("digits")
    assert sum(map(len, (digits.train, digits.validation, digits.test))) == 1797
