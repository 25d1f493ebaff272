"""The data: MNIST from a folder, the user's cache or a mirror, each checked by sha256; or the offline digits.

Gives uint8 images and a fixed split into training, validation and test images.
"""

import gzip
import hashlib
import os
import urllib.request
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training import TrainingError

# sha256 of each file's content, decompressed: the same whoever compressed it, and for plain IDX files too.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    "https://ossci-datasets.s3.amazonaws.com/mnist",
)
DOWNLOAD_TIMEOUT_S = 20
VALIDATION_IMAGES = 5_000  # the last ones of the 60,000, as the files hold them


class DataError(TrainingError):
    """The data cannot be had or was altered; the message says which file and what to do."""


@dataclass(frozen=True)
class Split:
    """Images uint8 [n, 28, 28], white ink on black, and labels int64 [n] in 0..9."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """Three splits that share no image, and one sha256 over all of it."""

    name: str
    train: Split
    validation: Split
    test: Split
    sha256: str


def load(name: str, data_dir: Path | None = None) -> Dataset:
    """Load a data set by name, "mnist" or "digits". Raises DataError if it cannot be had or was altered."""
    return load_digits() if name == "digits" else load_mnist(data_dir)


def load_mnist(
    data_dir: Path | None = None,
    *,
    cache: Path | None = None,
    mirrors: Iterable[str] = MIRRORS,
    sha256: Mapping[str, str] = MNIST_SHA256,
) -> Dataset:
    """Load MNIST: 55,000 training, 5,000 validation, 10,000 test images.

    With a folder (`data_dir`, or the environment's MNIST_DATA_DIR) nothing else is tried. Without one, files come
    from the cache, and what it lacks is downloaded into it. Raises DataError.
    """
    folder = data_dir or (Path(os.environ["MNIST_DATA_DIR"]) if os.environ.get("MNIST_DATA_DIR") else None)
    if folder:
        contents = {name: _read_verified(folder, name, sum_) for name, sum_ in sha256.items()}
    else:
        cache = cache or _user_cache()
        contents = {name: _cached(cache, name, sum_, mirrors) for name, sum_ in sha256.items()}
    train = Split(idx(contents["train-images-idx3-ubyte"], 3), _labels(contents["train-labels-idx1-ubyte"]))
    test = Split(idx(contents["t10k-images-idx3-ubyte"], 3), _labels(contents["t10k-labels-idx1-ubyte"]))
    cut = len(train) - min(VALIDATION_IMAGES, len(train) // 2)
    return Dataset(
        "mnist",
        Split(train.images[:cut], train.labels[:cut]),
        Split(train.images[cut:], train.labels[cut:]),
        test,
        _combined_sha256(sha256[name] for name in sha256),
    )


def load_digits() -> Dataset:
    """Load scikit-learn's 1,797 digits: 8x8 images enlarged to 24x24 and centred. For smoke tests; needs no network."""
    from sklearn.datasets import load_digits as sklearn_digits

    raw = sklearn_digits()
    large = np.kron(raw.images / 16 * 255, np.ones((1, 3, 3))).round().astype(np.uint8)
    images = np.pad(large, ((0, 0), (2, 2), (2, 2)))
    labels = raw.target.astype(np.int64)
    train, validation, test = (
        Split(images[part], labels[part]) for part in (slice(1297), slice(1297, 1497), slice(1497, None))
    )
    return Dataset("digits", train, validation, test, hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest())


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mnist-api"


def _find(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)


def _read_verified(folder: Path, name: str, sha256: str) -> bytes:
    path = _find(folder, name)
    if path is None:
        raise DataError(
            f"{folder} holds no {name}.gz and no {name}. It must hold {', '.join(MNIST_SHA256)}, each plain or as .gz."
        )
    return _verify(path.read_bytes(), str(path), sha256)


def _verify(data: bytes, name: str, sha256: str) -> bytes:
    """Decompress if need be and return the content; raise DataError unless its sha256 is the known one."""
    if name.endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, ValueError, zlib.error) as error:
            raise DataError(
                f"{name} is truncated or no gzip file: {error}. Its content's sha256 should be {sha256}."
            ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise DataError(f"{name} was truncated or altered: the sha256 of its content is {found}, not {sha256}.")
    return data


def _cached(cache: Path, name: str, sha256: str, mirrors: Iterable[str]) -> bytes:
    if _find(cache, name):
        return _read_verified(cache, name, sha256)
    problems = []
    for mirror in mirrors:
        url = f"{mirror}/{name}.gz"
        try:
            print(f"downloading {url}", flush=True)
            with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_S) as answer:
                compressed = answer.read()
            content = _verify(compressed, url, sha256)
        except (OSError, DataError) as error:
            problems.append(f"{url}: {error}")
            continue
        _store(cache / f"{name}.gz", compressed)
        return content
    raise DataError(_NO_DATA.format(cache=cache, problems="\n  ".join(problems)))


_NO_DATA = """MNIST cannot be had. Three ways to provide it:
  1. a folder with the four IDX files: --data-dir DIR, or MNIST_DATA_DIR=DIR
  2. the same files in the cache: {cache}
  3. a network that reaches a mirror, which was tried just now:
  {problems}
Or train offline on small digits, for a smoke test: --dataset digits"""


def _store(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, so that an interrupted download leaves nothing that looks complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.rename(path)


def idx(content: bytes, dimensions: int) -> NDArray[np.uint8]:
    """Parse an IDX file of unsigned bytes: magic 0x0000 08 dd, dd big-endian uint32 sizes, then the data."""
    header = 4 + 4 * dimensions
    magic, *shape = np.frombuffer(content[:header], dtype=">u4").tolist()
    if magic != 0x0800 + dimensions:
        raise DataError(f"not an IDX file of {dimensions} dimensions: it starts with {magic:#010x}")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def _labels(content: bytes) -> NDArray[np.int64]:
    return idx(content, 1).astype(np.int64)


def _combined_sha256(sums: Iterable[str]) -> str:
    return hashlib.sha256("".join(sorted(sums)).encode()).hexdigest()
