"""Chooses the images that the demo sends: 1,000 of the 5,000 validation images, as IDX files in deploy/drift.

`make drift-fixture`. Every fifth image, after sorting by confidence, digit and intensity, so that their shares in the
bins are close to the reference: what is chosen by chance would itself look a little drifted.
"""

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app import model
from app.image import from_bytes
from deploy.drift import rules
from training import data

CHAMPION = Path("deploy/model")
FOLDER = Path(__file__).parent
EVERY = 5


def choose(bins: NDArray[np.int64], reference: rules.Floats) -> NDArray[np.int64]:
    """Indices of the images, in the files' order, given each one's digit, confidence bin and intensity bin."""
    digit, confidence, intensity = bins.T
    order = np.lexsort((intensity, digit, confidence))
    starts = [order[start::EVERY] for start in range(EVERY)]
    return np.sort(min(starts, key=lambda chosen: distance(bins[chosen], reference)))


def distance(bins: NDArray[np.int64], reference: rules.Floats) -> float:
    """The sum of the three stability indices of some images' bins."""
    edges = (rules.CLASS, rules.CONFIDENCE, rules.INTENSITY)
    shares = [
        np.bincount(column, minlength=edge.stop - (edge.start or 0)) / len(bins)
        for column, edge in zip(bins.T, edges, strict=True)
    ]
    return float(sum(rules.psi(share, reference[edge]) for share, edge in zip(shares, edges, strict=True)))


def write(name: str, array: NDArray[np.uint8]) -> None:
    """Write an IDX file of unsigned bytes, compressed, the same bytes each time."""
    head = np.array([0x0800 + array.ndim, *array.shape], dtype=">u4")
    (FOLDER / name).write_bytes(gzip.compress(head.tobytes() + array.tobytes(), mtime=0))


def main() -> None:
    classifier = model.load(CHAMPION)
    validation = data.load("mnist").validation
    images = from_bytes(validation.images)
    bins = rules.bins_of(classifier.predict(images), images)
    reference = rules.reference_shares(classifier.bundle.manifest.reference)
    chosen = choose(bins, reference)
    write("validation1000-images-idx3-ubyte.gz", validation.images[chosen])
    write("validation1000-labels-idx1-ubyte.gz", validation.labels[chosen].astype(np.uint8))
    print(f"{len(chosen)} images; their stability indices sum to {distance(bins[chosen], reference):.4f}")


if __name__ == "__main__":
    main()
