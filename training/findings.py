"""Findings: what was measured of one model, as plain data. Imports neither TensorFlow nor MLflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.bundle import Bundle
from app.image import from_bytes
from app.model import Engine
from training.corruptions import SEVERITIES, USUAL_SEVERITY, accuracies
from training.data import Dataset, Split
from training.evaluate import ECE_BINS, Report, evaluate
from training.precisions import Export

History = Sequence[Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Findings:
    """One model: what it is, where it comes from, how it learnt and how it reads.

    `probabilities`, float32 [n, 10], are its answers to the test split, and `report` is what training.evaluate makes of
    them. `corrupted` holds its accuracy by the kind of corruption, `corrupted_images` says on which images. `history`
    holds an epoch's accuracy, loss, val_accuracy and val_loss each, and nothing for a model that was trained elsewhere.
    `exports` compares the precisions in which it could be served, `precision` is the one that was chosen.
    """

    name: str
    version: str
    sha256: str
    size_bytes: int
    dataset: str
    lineage: Mapping[str, Any]
    split: Split
    probabilities: NDArray[np.float32]
    report: Report
    corrupted: Mapping[str, float]
    corrupted_images: str
    history: History = ()
    exports: Sequence[Export] = ()
    precision: str = "float32"

    @property
    def answers(self) -> NDArray[np.int64]:
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def confidence(self) -> NDArray[np.float32]:
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def worst_recall(self) -> float:
        """The lowest recall of a digit that the split holds."""
        return float(np.nanmin(self.report.class_recall))

    @property
    def wrong(self) -> NDArray[np.intp]:
        """The indices of the images that were read wrong, the most confident first."""
        wrong = np.flatnonzero(self.answers != self.split.labels)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Images by confidence, in the 15 bins of the expected calibration error; each field [15]."""

    counts: NDArray[np.int64]
    right: NDArray[np.int64]
    confidence: NDArray[np.float64]  # mean, NaN where the bin is empty

    @classmethod
    def of(cls, findings: Findings) -> "Reliability":
        confidence, right = findings.confidence, findings.answers == findings.split.labels
        bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
        counts = np.bincount(bins, minlength=ECE_BINS)
        sums = np.bincount(bins, weights=confidence, minlength=ECE_BINS)
        means = np.divide(sums, counts, out=np.full(ECE_BINS, np.nan), where=counts > 0)
        return cls(counts, np.bincount(bins[right], minlength=ECE_BINS), means)

    def interval(self) -> NDArray[np.float64]:
        """Wilson's 95 % interval of each filled bin's accuracy, [filled, 2].

        Equation 4 of Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion", 2001.
        """
        z, n = 1.959964, self.counts[self.counts > 0]
        share = self.right[self.counts > 0] / n
        middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        reach = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
        return np.stack([middle - reach, middle + reach], axis=1)


def examine(
    bundle: Bundle,
    dataset: Dataset,
    *,
    history: History = (),
    exports: Sequence[Export] = (),
    precision: str = "float32",
) -> Findings:
    """Measure a Bundle with the code that serves: on the test split, and on corrupted validation images."""
    engine = Engine(bundle.model)
    probabilities = engine.predict(from_bytes(dataset.test.images))
    severity = f"severity {USUAL_SEVERITY} of {len(SEVERITIES)}"
    return Findings(
        name=bundle.manifest.name,
        version=bundle.manifest.version,
        sha256=bundle.manifest.sha256,
        size_bytes=len(bundle.model),
        dataset=dataset.name,
        lineage=bundle.manifest.lineage,
        split=dataset.test,
        probabilities=probabilities,
        report=evaluate(lambda _: probabilities, dataset.test),
        corrupted=accuracies(engine.predict, dataset.validation),
        corrupted_images=f"{len(dataset.validation):,} validation images, {severity}",
        history=history,
        exports=exports,
        precision=precision,
    )
