"""Evaluation: how good a model's answers are, and what its answers look like on data it was not trained on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.bundle import CONFIDENCE_EDGES, INTENSITY_EDGES
from app.image import Images, from_bytes
from app.model import CLASSES
from training.data import Split

Predict = Callable[[Images], NDArray[np.float32]]

ECE_BINS = 15


@dataclass(frozen=True)
class Report:
    """A model's quality on one split. `confusion[i][j]` counts images of digit i that were called j."""

    n: int
    accuracy: float
    worst_class_recall: float
    ece: float
    class_recall: list[float]
    confusion: list[list[int]]


def evaluate(predict: Predict, split: Split) -> Report:
    """Measure a model on a split in which each of the ten digits occurs."""
    probabilities = predict(from_bytes(split.images))
    answers = probabilities.argmax(axis=1)
    confusion = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    np.add.at(confusion, (split.labels, answers), 1)
    recall = confusion.diagonal() / confusion.sum(axis=1)
    return Report(
        n=len(split),
        accuracy=float((answers == split.labels).mean()),
        worst_class_recall=float(recall.min()),
        ece=expected_calibration_error(probabilities.max(axis=1), answers == split.labels),
        class_recall=recall.tolist(),
        confusion=confusion.tolist(),
    )


def expected_calibration_error(confidence: NDArray[np.float32], correct: NDArray[np.bool_]) -> float:
    """The mean gap between confidence and accuracy over 15 equal bins of confidence, weighted by their counts.

    Equation 3 of Guo et al., "On Calibration of Modern Neural Networks", 2017.
    """
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = np.bincount(bins, weights=correct.astype(float) - confidence, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def reference(predict: Predict, split: Split) -> dict[str, Any]:
    """Describe a model's answers on clean data, for comparison with live traffic: shares, each list sums to 1."""
    images = from_bytes(split.images)
    probabilities = predict(images)
    return {
        "n": len(split),
        "class_ratio": (np.bincount(probabilities.argmax(axis=1), minlength=CLASSES) / len(split)).tolist(),
        "confidence": _histogram(probabilities.max(axis=1), CONFIDENCE_EDGES),
        "intensity": _histogram(images.mean(axis=(1, 2)), INTENSITY_EDGES),
    }


def _histogram(values: NDArray[np.float32], upper_edges: tuple[float, ...]) -> dict[str, list[float]]:
    """Shares of values in (previous edge, edge], as Prometheus counts; the last edge takes what rounding puts above."""
    bins = np.minimum(np.searchsorted(upper_edges, values, side="left"), len(upper_edges) - 1)
    counts = np.bincount(bins, minlength=len(upper_edges))
    return {"upper_edges": list(upper_edges), "ratio": (counts / len(values)).tolist()}
