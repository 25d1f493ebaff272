"""What Prometheus computes each minute from the last hour's images, and when an alert fires. NumPy only.

The same arithmetic as the rules in helm/mnist-api/files/alerts.yaml, on counts of images in bins: the last axis holds
the 10 predicted digits, then the 12 bins of confidence, then the 12 of mean intensity, as in a Bundle's reference.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.bundle import CONFIDENCE_EDGES, INTENSITY_EDGES

Floats = NDArray[np.floating]

DIGITS = 10
CONFIDENCE = slice(DIGITS, DIGITS + len(CONFIDENCE_EDGES))
INTENSITY = slice(CONFIDENCE.stop, CONFIDENCE.stop + len(INTENSITY_EDGES))
CLASS = slice(DIGITS)
BINS = INTENSITY.stop
UNSURE = slice(DIGITS, DIGITS + CONFIDENCE_EDGES.index(0.9) + 1)

WINDOW_MINUTES = 60
FLOOR = 0.001
PSI_OF = {
    "MnistModelClassDrift": CLASS,
    "MnistModelConfidenceDrift": CONFIDENCE,
    "MnistModelIntensityDrift": INTENSITY,
}
ALERTS = (*PSI_OF, "MnistModelConfidenceDrop")


def reference_shares(reference: Mapping[str, Any]) -> Floats:
    """The shares that a manifest's `reference` holds, float [34]."""
    return np.array(
        [*reference["class_ratio"], *reference["confidence"]["ratio"], *reference["intensity"]["ratio"]], dtype=float
    )


def bins_of(probabilities: Floats, images: Floats) -> NDArray[np.int64]:
    """Each image's predicted digit, bin of confidence and bin of intensity, int [n, 3], counted as Prometheus does."""
    confidence = np.searchsorted(CONFIDENCE_EDGES, probabilities.max(axis=1), side="left")
    intensity = np.searchsorted(INTENSITY_EDGES, images.mean(axis=(1, 2)), side="left")
    # What rounding puts above 1.0 belongs to the last bin.
    return np.stack(
        [
            probabilities.argmax(axis=1),
            np.minimum(confidence, len(CONFIDENCE_EDGES) - 1),
            np.minimum(intensity, len(INTENSITY_EDGES) - 1),
        ],
        axis=1,
    )


def psi(shares: Floats, reference: Floats) -> Floats:
    """Population stability index over the last axis; a share below 0.001 counts as 0.001."""
    live, expected = np.maximum(shares, FLOOR), np.maximum(reference, FLOOR)
    index: Floats = ((live - expected) * np.log(live / expected)).sum(axis=-1)
    return index


def last_hour(counts: Floats) -> Floats:
    """Sums of 60 consecutive minutes along the last axis but one: [..., t, bins] -> [..., t - 60, bins]."""
    sums = np.cumsum(counts, axis=-2, dtype=np.float64)
    hour: Floats = sums[..., WINDOW_MINUTES:, :] - sums[..., :-WINDOW_MINUTES, :]
    return hour


def values(window: Floats, reference: Floats, guard: int) -> dict[str, Floats]:
    """What each alert compares with its threshold; minus infinity where the hour held no more images than the guard."""
    images = window[..., CLASS].sum(axis=-1, keepdims=True)
    shares = window / np.maximum(images, 1)
    found = {alert: psi(shares[..., bins], reference[bins]) for alert, bins in PSI_OF.items()}
    found["MnistModelConfidenceDrop"] = shares[..., UNSURE].sum(axis=-1) - reference[UNSURE].sum()
    enough = images[..., 0] > guard
    return {alert: np.where(enough, value, -np.inf) for alert, value in found.items()}


def sustained(value: Floats, for_minutes: int) -> Floats:
    """The lowest value since `for_minutes` ago, along the last axis: what must exceed a threshold for it to fire."""
    held = np.lib.stride_tricks.sliding_window_view(value, for_minutes + 1, axis=-1).min(axis=-1)
    not_yet = np.full((*value.shape[:-1], for_minutes), -np.inf)
    return np.concatenate([not_yet, held], axis=-1)
