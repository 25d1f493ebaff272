"""The Gate: may a candidate become the champion? A pure function of what was measured of both, and of a Policy.

Each rule passes or fails alone and says its numbers; all must pass. Knows no model, no file and no clock:
training.measure collects the Evidence.

The images should be the test split, for they must have chosen nothing about the candidate: a recipe, a seed or an epoch
that was chosen on the validation split looks better there than it is, so more than alpha of those worse by the margin
would pass. They are also twice as many; on 5,000 a third of the equal candidates would fail. It is no further look:
each Bundle carries its one report on the test split. The Gate only vetoes, and nobody may train again until one passes.

The margin is one of each step, so champions could get worse little by little. The floors stop that: raise them with the
champion.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from training import TrainingError
from training.evaluate import expected_calibration_error
from training.noninferiority import p_value


class GateError(TrainingError):
    """The question makes no sense, so there is no decision; the message says why."""


@dataclass(frozen=True)
class Policy:
    """What a candidate must show. Shares are of 1; `make gate-simulation` shows which errors these numbers make."""

    # Share of images read right. Three standard deviations below the champion's 0.9943, of seeds and images together.
    min_accuracy: float = 0.992
    # Share of a digit's images read right, for the worst digit. A tenth of the images: three standard deviations below
    # the champion's 0.985, so that chance fails nobody.
    min_class_recall: float = 0.973
    # Share of images by which a candidate must not be worse: 20 of 10,000, where the champion reads 57 wrong. Two seeds
    # of its network differ on 0.0026 of the images, networks that are less alike on up to 0.006; with 0.0015, two in
    # five equal candidates of those would fail.
    margin: float = 0.002
    # Share of the candidates worse by the margin that may pass.
    alpha: float = 0.05
    # The same for corrupted images, mean over the kinds. Wider, because training aims at them from afar: three seeds
    # of the last champion's network lay 0.057 apart, two of this one's 0.003.
    corrupted_margin: float = 0.01
    # Expected calibration error. Confidence is watched for drift, so it must mean something; the champion has 0.0024.
    max_ece: float = 0.005
    # The candidate's time for one image over the champion's.
    max_latency_ratio: float = 2.0
    # Bytes of the model file. Every champion stays in the git history for ever.
    max_size_bytes: int = 1_000_000

    def __post_init__(self) -> None:
        for name in ("margin", "alpha", "corrupted_margin"):
            if not 0 < getattr(self, name) < 1:
                raise GateError(f"{name} is {getattr(self, name)}, but must be above 0 and below 1")


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was measured of one model on n images."""

    images_sha256: str  # of all images and labels, corrupted ones too: two models are compared on the same ones only
    labels: NDArray[np.int64]  # [n]
    correct: NDArray[np.bool_]  # [n]
    confidence: NDArray[np.float32]  # [n]
    corrupted: Mapping[str, NDArray[np.bool_]]  # kind -> [m], right or wrong on the same m images
    latency_s: tuple[float, ...]  # for one image; a median each round, the two models' rounds taken in turns
    size_bytes: int


@dataclass(frozen=True)
class Outcome:
    """One rule's answer. `value` is what was measured and `limit` what it was held against."""

    rule: str
    passed: bool
    value: float
    limit: float
    numbers: str

    def __str__(self) -> str:
        return f"{'pass' if self.passed else 'FAIL'}  {self.rule}: {self.numbers}"


@dataclass(frozen=True)
class Decision:
    """The Gate's answer: every rule's outcome, whether or not an earlier one failed."""

    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> bool:
        return all(outcome.passed for outcome in self.outcomes)

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the rules that failed."""
        return tuple(outcome.rule for outcome in self.outcomes if not outcome.passed)

    def __str__(self) -> str:
        return "\n".join(map(str, self.outcomes))


def decide(candidate: Evidence, champion: Evidence, policy: Policy) -> Decision:
    """Hold a candidate against the policy and the champion. Raises GateError if they were not measured alike."""
    _require_measured_alike(candidate, champion)
    return Decision(
        (
            _accuracy(candidate, policy),
            _class_recall(candidate, policy),
            _non_inferiority(candidate, champion, policy),
            _corrupted(candidate, champion, policy),
            _calibration(candidate, policy),
            _latency(candidate, champion, policy),
            _size(candidate, policy),
        )
    )


def _require_measured_alike(candidate: Evidence, champion: Evidence) -> None:
    if candidate.images_sha256 != champion.images_sha256:
        raise GateError("candidate and champion were measured on different images")
    if not len(candidate.correct) or not candidate.corrupted:
        raise GateError("candidate and champion were measured on no images, or on none that are corrupted")
    if len(candidate.latency_s) != len(champion.latency_s) or not candidate.latency_s:
        raise GateError("the latencies of candidate and champion were not measured in turns")


def _accuracy(candidate: Evidence, policy: Policy) -> Outcome:
    found = float(candidate.correct.mean())
    numbers = f"reads {found:.4f} of {len(candidate.correct)} images right, at least {policy.min_accuracy:g}"
    return Outcome("accuracy", found >= policy.min_accuracy, found, policy.min_accuracy, numbers)


def _class_recall(candidate: Evidence, policy: Policy) -> Outcome:
    of_digit = np.bincount(candidate.labels)
    right = np.bincount(candidate.labels, weights=candidate.correct)
    recall = np.divide(right, of_digit, out=np.ones(len(of_digit)), where=of_digit > 0)
    worst = int(recall.argmin())
    found = float(recall[worst])
    numbers = f"reads {found:.4f} of its worst digit, {worst}, right, at least {policy.min_class_recall:g}"
    return Outcome("class recall", found >= policy.min_class_recall, found, policy.min_class_recall, numbers)


def _non_inferiority(candidate: Evidence, champion: Evidence, policy: Policy) -> Outcome:
    """Exact and paired; see training.noninferiority."""
    lost = int((champion.correct & ~candidate.correct).sum())
    gained = int((candidate.correct & ~champion.correct).sum())
    p = p_value(lost, gained, len(candidate.correct), policy.margin)
    numbers = (
        f"loses {lost} of the champion's images and gains {gained} of {len(candidate.correct)}; one worse by"
        f" {policy.margin:g} does so well with probability {p:.2g}, at most {policy.alpha:g}"
    )
    return Outcome("non-inferiority", p <= policy.alpha, p, policy.alpha, numbers)


def _corrupted(candidate: Evidence, champion: Evidence, policy: Policy) -> Outcome:
    """The low end of a one-sided normal interval, over images, of the difference in accuracy.

    One image's differences are averaged over the kinds first: its corruptions are not independent of each other.
    """
    kinds = sorted(candidate.corrupted)
    differences = np.array([candidate.corrupted[kind].astype(float) - champion.corrupted[kind] for kind in kinds])
    of_image, of_kind = differences.mean(axis=0), differences.mean(axis=1)
    error = of_image.std(ddof=1) / np.sqrt(len(of_image))
    lowest = float(of_image.mean() - NormalDist().inv_cdf(1 - policy.alpha) * error)
    numbers = (
        f"differs from the champion by {of_image.mean():+.4f} in accuracy over {len(kinds)} kinds, or by {lowest:+.4f}"
        f" at the low end of the interval, at least {-policy.corrupted_margin:g};"
        f" worst is {kinds[of_kind.argmin()]}, {of_kind.min():+.4f}"
    )
    return Outcome("corrupted", lowest >= -policy.corrupted_margin, lowest, -policy.corrupted_margin, numbers)


def _calibration(candidate: Evidence, policy: Policy) -> Outcome:
    found = expected_calibration_error(candidate.confidence, candidate.correct)
    numbers = f"has an expected calibration error of {found:.4f}, at most {policy.max_ece:g}"
    return Outcome("calibration", found <= policy.max_ece, found, policy.max_ece, numbers)


def _latency(candidate: Evidence, champion: Evidence, policy: Policy) -> Outcome:
    """The median over rounds of the ratio, which a round that something else disturbed does not move."""
    ratio = float(np.median(np.divide(candidate.latency_s, champion.latency_s)))
    mine, theirs = np.median(candidate.latency_s) * 1e6, np.median(champion.latency_s) * 1e6
    numbers = f"takes {mine:.0f} us an image and the champion {theirs:.0f} us, {ratio:.2f} times as long"
    numbers += f", at most {policy.max_latency_ratio:g}"
    return Outcome("latency", ratio <= policy.max_latency_ratio, ratio, policy.max_latency_ratio, numbers)


def _size(candidate: Evidence, policy: Policy) -> Outcome:
    numbers = f"has {candidate.size_bytes} bytes, at most {policy.max_size_bytes}"
    return Outcome(
        "size", candidate.size_bytes <= policy.max_size_bytes, candidate.size_bytes, policy.max_size_bytes, numbers
    )
