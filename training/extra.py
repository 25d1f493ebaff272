"""Extra data: labelled images that people confirmed, put behind the training images, without any copy."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.model import CLASSES
from training import duplicates, labelled
from training.data import DataError, Dataset, Split


def add(dataset: Dataset, folder: Path) -> tuple[Dataset, dict[str, Any]]:
    """Put a folder's images behind the training images; give the data set they make, and the lineage of the images.

    What is in the data set already is dropped: of training images, what is identical; of validation and test images,
    near copies too. Raises DataError if an image cannot be used or has two labels, or if none is new.
    """
    found = labelled.load(folder)
    _refuse_two_labels(folder, found)
    new, dropped = _without_copies(found, dataset)
    if not new.names:
        counts = ", ".join(f"{reason} {count:,}" for reason, count in dropped.items())
        raise DataError(
            f"{folder}: none of {len(found.names):,} images is new ({counts}). Leave it out, or add others."
        )
    sha256 = _sha256(new.split)
    lineage = {
        "folder": folder.resolve().name,
        "sha256": sha256,
        "n_found": len(found.names),
        "n_used": len(new.names),
        "dropped": dropped,
        "class_counts": np.bincount(new.split.labels, minlength=CLASSES).tolist(),
    }
    train = Split(
        np.concatenate([dataset.train.images, new.split.images]),
        np.concatenate([dataset.train.labels, new.split.labels]),
    )
    both = hashlib.sha256(f"{dataset.sha256} {sha256}".encode()).hexdigest()
    return replace(dataset, train=train, sha256=both), lineage


def _refuse_two_labels(folder: Path, found: labelled.Labelled) -> None:
    first: dict[bytes, int] = {}
    pairs = []
    for index, (image, label) in enumerate(zip(found.split.images, found.split.labels, strict=True)):
        earlier = first.setdefault(image.tobytes(), index)
        if found.split.labels[earlier] != label:
            pairs.append(f"{found.names[earlier]} = {found.names[index]}")
    if pairs:
        raise DataError(f"{folder}: {labelled.some(pairs)}: one image with two labels. Remove the wrong one.")


def _without_copies(found: labelled.Labelled, dataset: Dataset) -> tuple[labelled.Labelled, dict[str, int]]:
    """Keep the first of each image that the data set does not hold; count the others by what they are copies of."""
    searches: dict[str, Callable[[duplicates.Images], duplicates.Mask]] = {
        "duplicate": duplicates.repeated,
        "in_train": lambda images: duplicates.identical(images, dataset.train.images),
        "in_test": lambda images: duplicates.near(images, dataset.test.images),
        "in_validation": lambda images: duplicates.near(images, dataset.validation.images),
    }
    dropped = {}
    for reason, search in searches.items():
        copies = search(found.split.images)
        dropped[reason] = int(copies.sum())
        found = found[~copies]
    return found, dropped


def _sha256(split: Split) -> str:
    """The sha256 over the images with their labels, in whatever order they stand."""
    sums = sorted(
        hashlib.sha256(image.tobytes() + bytes([label])).digest()
        for image, label in zip(split.images, split.labels, strict=True)
    )
    return hashlib.sha256(b"".join(sums)).hexdigest()
