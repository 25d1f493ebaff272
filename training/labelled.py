"""Labelled images that people made: a folder of files -> uint8 [n, 28, 28], white ink on black, each with its digit.

The folder holds subfolders 0 to 9 of pictures, which are read and made like MNIST as the service does it, so that a
model sees in training what it will see; or IDX files as MNIST has them.
"""

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app import normalize, picture
from app.image import SIDE, InvalidImage
from app.model import CLASSES
from training.data import DataError, Split, idx

DIGITS = tuple(map(str, range(CLASSES)))
SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp")
NAMED = 5  # images that a message names
_NAME = "picture"  # by which the messages of others call a file that is named here

_LAYOUT = (
    "Give a folder with subfolders named 0 to 9 that hold PNG, JPEG, GIF, BMP or WebP pictures, or with IDX files:"
    " NAMEimages-idx3-ubyte and NAMElabels-idx1-ubyte, each plain or as .gz."
)
_WRONG_SIZE = f"not {SIDE}x{SIDE} pixels: scale each digit to 20x20 and centre it in {SIDE}x{SIDE}, as MNIST does"
_WRONG_INK = (
    "not white ink on black, most of the border being as bright as the middle, or most of the image white:"
    " invert, or remove if blank"
)


@dataclass(frozen=True)
class Labelled:
    """Images with their digits, and the names by which people know them."""

    names: list[str]
    split: Split

    def __getitem__(self, mask: NDArray[np.bool_]) -> "Labelled":
        names = [name for name, kept in zip(self.names, mask, strict=True) if kept]
        return Labelled(names, Split(self.split.images[mask], self.split.labels[mask]))


def load(folder: Path) -> Labelled:
    """Load every image of a folder, by digit and name, or in the order of its IDX files.

    Raises DataError, which names the images at fault, if one cannot be used or there is none.
    """
    entries = _entries(folder)
    stems = sorted({_stem(entry) for entry in entries if _stem(entry).endswith("images-idx3-ubyte")})
    labelled = _load_idx(folder, entries, stems) if stems else _load_digits(folder, entries)
    if not labelled.names:
        raise DataError(f"{folder} holds no image. {_LAYOUT}")
    wrong_ink = labelled[~_white_on_black(labelled.split.images)].names
    if wrong_ink:
        raise DataError(f"{folder}: {some(wrong_ink)}: {_WRONG_INK}.")
    return labelled


def some(names: Sequence[str]) -> str:
    """Name the first few, and say how many more there are."""
    rest = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + rest


def _entries(folder: Path) -> list[Path]:
    """What a folder holds, by name, but for hidden files."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}. {_LAYOUT}") from error


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz")


def _load_digits(folder: Path, entries: list[Path]) -> Labelled:
    """Load DIGIT/NAME.png and the like."""
    subfolders = [entry for entry in entries if entry.name in DIGITS and entry.is_dir()]
    paths = [path for subfolder in subfolders for path in _entries(subfolder)]
    strangers = [entry for entry in entries if entry not in subfolders]
    strangers += [path for path in paths if path.suffix.lower() not in SUFFIXES or not path.is_file()]
    _refuse_strangers(folder, strangers)
    names = [f"{path.parent.name}/{path.name}" for path in paths]
    labels = np.array([int(path.parent.name) for path in paths], dtype=np.int64)
    return Labelled(names, Split(_read_images(folder, names), labels))


def _refuse_strangers(folder: Path, strangers: list[Path]) -> None:
    if strangers:
        names = [path.relative_to(folder).as_posix() for path in strangers]
        raise DataError(f"{folder}: {some(names)}: no place for it here. {_LAYOUT}")


class _Fault(Exception):
    """An image cannot be used; the message says what is wrong and what to do."""


def _read_images(folder: Path, names: list[str]) -> NDArray[np.uint8]:
    """Read every file before refusing any, so that one message names all that are at fault."""
    images = np.zeros((len(names), SIDE, SIDE), dtype=np.uint8)
    faults: dict[str, list[str]] = {}
    for index, name in enumerate(names):
        try:
            images[index] = _read_image(folder / name)
        except _Fault as fault:
            faults.setdefault(str(fault), []).append(name)
    if faults:
        raise DataError(f"{folder}: {'; '.join(f'{some(at_fault)}: {fault}' for fault, at_fault in faults.items())}.")
    return images


def _read_image(path: Path) -> NDArray[np.uint8]:
    """Read one picture as the service would. Raises _Fault."""
    try:
        grey = picture.decode(path.read_bytes(), _NAME).grey
        return np.rint(normalize.like_mnist(grey, _NAME) * 255).astype(np.uint8)
    except InvalidImage as error:
        raise _Fault(str(error).removeprefix(f"`{_NAME}` ").rstrip(".")) from error
    except OSError as error:
        raise _Fault(f"cannot be read: {error.strerror}") from error


def _load_idx(folder: Path, entries: list[Path], stems: list[str]) -> Labelled:
    """Load pairs of IDX files, whose names differ only in images-idx3 and labels-idx1, and in .gz."""
    files = {_stem(entry): entry for entry in entries}
    pairs = {stem: stem.removesuffix("images-idx3-ubyte") + "labels-idx1-ubyte" for stem in stems}
    _refuse_strangers(folder, [path for stem, path in files.items() if stem not in {*pairs, *pairs.values()}])
    names: list[str] = []
    splits = []
    for images, labels in pairs.items():
        if labels not in files:
            raise DataError(f"{folder} holds {images} without {labels}. {_LAYOUT}")
        splits.append(_read_pair(files[images], files[labels]))
        names += [f"{images}[{index}]" for index in range(len(splits[-1]))]
    return Labelled(
        names, Split(np.concatenate([s.images for s in splits]), np.concatenate([s.labels for s in splits]))
    )


def _read_pair(images_path: Path, labels_path: Path) -> Split:
    images, labels = _read_idx(images_path, 3), _read_idx(labels_path, 1)
    if images.shape[1:] != (SIDE, SIDE):
        raise DataError(f"{images_path}: {_WRONG_SIZE}.")
    if len(images) != len(labels):
        raise DataError(f"{images_path} holds {len(images):,} images, but {labels_path} {len(labels):,} labels.")
    wrong = [f"[{index}] is {labels[index]}" for index in np.flatnonzero(labels >= CLASSES)]
    if wrong:
        raise DataError(f"{labels_path}: {some(wrong)}, but a label is 0 to 9.")
    return Split(images, labels.astype(np.int64))


def _read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    try:
        content = path.read_bytes()
        return idx(gzip.decompress(content) if path.suffix == ".gz" else content, dimensions)
    except (DataError, EOFError, OSError, ValueError, zlib.error) as error:
        raise DataError(f"{path} is truncated, or no IDX file of {dimensions} dimensions: write it again.") from error


def _white_on_black(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Say which images have a border mostly darker than their middle, and are more black than white.

    So are all 70,000 images of MNIST, and none of them inverted. Mostly, as ink may touch the border.
    """
    border = np.pad(np.zeros((SIDE - 2, SIDE - 2), dtype=np.bool_), 1, constant_values=True)
    darker = np.median(images[:, border], axis=1) < images[:, ~border].mean(axis=1)
    mask: NDArray[np.bool_] = darker & (images.mean((1, 2)) < 127.5)
    return mask
