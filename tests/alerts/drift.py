"""What pods show Prometheus of images of given shares, and the figures that the rules should make of it, by NumPy.

The reference is the champion's.
"""

import json

import numpy as np

from tests.serving import CHAMPION

FLOOR = 0.001  # the smallest share that the index knows
MINUTES = 65
REFERENCE = json.loads((CHAMPION / "manifest.json").read_text())["reference"]
# What is watched -> its shares among the validation images, floats [bins].
SHARES = {
    "class": np.array(REFERENCE["class_ratio"]),
    "confidence": np.array(REFERENCE["confidence"]["ratio"]),
    "intensity": np.array(REFERENCE["intensity"]["ratio"]),
}
HISTOGRAMS = {"confidence": "mnist_prediction_confidence_bucket", "intensity": "mnist_input_intensity_bucket"}


def shown(pod, counts):
    """A pod's series that sees `counts["class" | "confidence" | "intensity"]` images a minute, floats [bins]."""
    return [*_classes(pod, counts["class"]), *(one for what in HISTOGRAMS for one in _bins(pod, what, counts[what]))]


def _classes(pod, counts):
    for digit, (share, count) in enumerate(zip(SHARES["class"], counts, strict=True)):
        yield _series("mnist_reference_class_ratio", share, instance=pod, digit=digit)
        yield _series("mnist_predictions_total", f"0+{count:.9f}", instance=pod, digit=digit)


def _bins(pod, what, counts):
    edges = [float(edge) for edge in REFERENCE[what]["upper_edges"]]
    for above, le, share, total in zip([0.0, *edges[:-1]], edges, SHARES[what], counts.cumsum(), strict=True):
        yield _series(f"mnist_reference_{what}_ratio", share, instance=pod, above=above, le=le)
        yield _series(HISTOGRAMS[what], f"0+{total:.9f}", instance=pod, le=le)
    yield _series(HISTOGRAMS[what], f"0+{counts.sum():.9f}", instance=pod, le="+Inf")


def _series(name, values, **labels):
    text = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    return {"series": f'{name}{{namespace="digits", job="mnist-api", {text}}}', "values": f"{values}x{MINUTES}"}


def index(live, reference):
    """The population stability index of counts against shares, floats [bins]."""
    p, q = np.maximum(live / live.sum(), FLOOR), np.maximum(reference, FLOOR)
    return float(((p - q) * np.log(p / q)).sum())


def figures(counts):
    """What the rules should record for `counts` a minute."""
    low = np.array(REFERENCE["confidence"]["upper_edges"]) <= 0.9
    confidence = counts["confidence"] / counts["confidence"].sum()
    return {
        "mnist:predictions:increase1h": float(counts["class"].sum() * 60),
        "mnist:low_confidence_excess:1h": float((confidence - SHARES["confidence"])[low].sum()),
        **{f"mnist:{what}_psi:1h": index(counts[what], shares) for what, shares in SHARES.items()},
    }


def drifted(what, figure, value):
    """Shares, of which those of `what` lean to the second bin so far that a figure has a value."""
    lean = np.eye(len(SHARES[what]))[1]
    low, high = 0.0, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        shares = SHARES | {what: (1 - middle) * SHARES[what] + middle * lean}
        low, high = (middle, high) if figures(shares)[figure] < value else (low, middle)
    return shares
