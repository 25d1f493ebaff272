"""Measures two models for the Gate, side by side, through the Classifier that serves."""

import hashlib
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from app.image import Images, from_bytes
from app.model import Classifier
from training.data import Split
from training.evaluate import Predict
from training.gate import Evidence

Clock = Callable[[], float]

ROUNDS = 15
CALLS = 200  # single images that each model reads in a round


def evidence(
    candidate: Classifier,
    champion: Classifier,
    split: Split,
    corrupted: Mapping[str, NDArray[np.uint8]],
    clock: Clock = time.perf_counter,
) -> tuple[Evidence, Evidence]:
    """Measure candidate and champion on the same images.

    `corrupted` holds, by kind, the split's first m images corrupted, uint8 [m, 28, 28], the same m for each kind.
    """
    images = images_sha256(split, corrupted)
    latencies = in_turns((candidate.predict, champion.predict), from_bytes(split.images[:CALLS]), clock)
    mine, theirs = (
        _evidence(model, split, corrupted, images, latency_s)
        for model, latency_s in zip((candidate, champion), latencies, strict=True)
    )
    return mine, theirs


def images_sha256(split: Split, corrupted: Mapping[str, NDArray[np.uint8]]) -> str:
    """One sha256 of labels, clean images and corrupted ones with the names of their kinds."""
    digest = hashlib.sha256(split.labels.astype("<i8").tobytes() + split.images.tobytes())
    for kind in sorted(corrupted):
        digest.update(kind.encode() + corrupted[kind].tobytes())
    return digest.hexdigest()


def in_turns(models: tuple[Predict, ...], images: Images, clock: Clock) -> list[tuple[float, ...]]:
    """Time models on single images, each image by one after the other. Returns, by model, each round's median in s.

    Who is first changes with every image, so that neither always finds the image in the processor's cache.
    """
    taken: list[list[float]] = [[] for _ in models]
    for _ in range(ROUNDS):
        times: list[list[float]] = [[] for _ in models]
        for turn in range(len(images)):
            for place in range(len(models)):
                which = (turn + place) % len(models)
                started = clock()
                models[which](images[turn : turn + 1])
                times[which].append(clock() - started)
        for of_model, of_round in zip(taken, times, strict=True):
            of_model.append(statistics.median(of_round))
    return [tuple(of_model) for of_model in taken]


def _evidence(
    model: Classifier,
    split: Split,
    corrupted: Mapping[str, NDArray[np.uint8]],
    images: str,
    latency_s: tuple[float, ...],
) -> Evidence:
    probabilities = model.predict(from_bytes(split.images))
    return Evidence(
        images_sha256=images,
        labels=split.labels,
        correct=probabilities.argmax(axis=1) == split.labels,
        confidence=probabilities.max(axis=1),
        corrupted={kind: _correct(model, bent, split.labels[: len(bent)]) for kind, bent in corrupted.items()},
        latency_s=latency_s,
        size_bytes=len(model.bundle.model),
    )


def _correct(model: Classifier, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray(model.predict(from_bytes(images)).argmax(axis=1) == labels)
