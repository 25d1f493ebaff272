"""The judge: measures a candidate beside the champion and asks the Gate. `python -m training.judge CANDIDATE CHAMPION`.

The Gate decides of numbers; here is where they come from, and how its verdict is kept in a file.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from app import bundle
from app.model import load as load_classifier
from training.commandline import DATA_DIR, exit_code
from training.corruptions import KINDS, USUAL_SEVERITY, corrupted
from training.data import Dataset, load
from training.gate import Decision, GateError, Outcome, Policy, decide
from training.measure import evidence

CORRUPTED_IMAGES = 1_000  # of each kind
EXIT_FAILED = 1
EXIT_ERROR = 2

# For the digits of smoke tests, where a few epochs must do: the mlp then reads 0.86 or so of the 300 test images, 0.6
# of its worst digit, and has a calibration error of 0.05 to 0.12. Two seeds differ on 25 images.
SMOKE = Policy(
    min_accuracy=0.75,
    min_class_recall=0.3,
    margin=0.1,
    corrupted_margin=0.15,
    max_ece=0.2,
    max_latency_ratio=4.0,
    max_size_bytes=2_000_000,
)


@dataclass(frozen=True)
class Verdict:
    """The Gate's decision, and on what: the sha256 of both models and the policy."""

    candidate: str
    champion: str
    policy: Policy
    decision: Decision

    def __str__(self) -> str:
        decision = self.decision
        last = "passed" if decision.passed else f"FAILED by {', '.join(decision.failed)}"
        return f"{decision}\nThe candidate {self.candidate[:8]} {last}, against the champion {self.champion[:8]}."

    def write(self, path: Path) -> None:
        """Write the verdict as JSON, whole or not at all."""
        decision = self.decision
        value = asdict(self) | {"passed": decision.passed, "failed_rules": decision.failed}
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(value, indent=1) + "\n")
        partial.rename(path)


def read(path: Path) -> Verdict:
    """Read a verdict that was written. Raises GateError if the file holds none."""
    try:
        value = json.loads(path.read_text())
        outcomes = tuple(Outcome(**outcome) for outcome in value["decision"]["outcomes"])
        return Verdict(value["candidate"], value["champion"], Policy(**value["policy"]), Decision(outcomes))
    except (OSError, ValueError, KeyError, TypeError, GateError) as error:
        raise GateError(f"{path} holds no verdict of this version's Gate: {error}. Remove it to judge anew.") from error


def policy_for(dataset: str) -> Policy:
    """The policy for a data set of this name."""
    return SMOKE if dataset == "digits" else Policy()


def judge(candidate: Path, champion: Path, dataset: Dataset, policy: Policy) -> Decision:
    """Measure two Bundles on the test split, clean and corrupted, and decide.

    Raises BundleError if a folder is no Bundle, and GateError unless both were trained on this data set.
    """
    mine, theirs = load_classifier(candidate), load_classifier(champion)
    require_dataset(champion, theirs.bundle.manifest.dataset, dataset.name)
    require_dataset(candidate, mine.bundle.manifest.dataset, dataset.name)
    images = dataset.test.images[:CORRUPTED_IMAGES]
    bent = {kind: corrupted(images, kind, USUAL_SEVERITY, seed=0) for kind in KINDS}
    return decide(*evidence(mine, theirs, dataset.test, bent), policy)


def require_dataset(folder: Path, found: str, wanted: str) -> None:
    """Raise GateError if a Bundle is of another data set: digits must never follow a champion of MNIST."""
    if found != wanted:
        raise GateError(
            f"{folder} was trained on {found}, the other on {wanted}; only models of the same data set are compared."
            " Name another champion, or train the candidate on the champion's data set."
        )


def main(arguments: list[str] | None = None) -> int:
    """Judge two Bundles. Returns the exit code: 0 passed, 1 failed, 2 with one line that says why, or 130."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: _execute(options), error_code=EXIT_ERROR)


def _execute(options: argparse.Namespace) -> int:
    candidate, champion = (bundle.read(folder).manifest for folder in (options.candidate, options.champion))
    require_dataset(options.champion, champion.dataset, candidate.dataset)
    policy = policy_for(candidate.dataset)
    decision = judge(options.candidate, options.champion, load(candidate.dataset, options.data_dir), policy)
    print(Verdict(candidate.sha256, champion.sha256, policy, decision))
    return 0 if decision.passed else EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m training.judge", description="Ask the Gate whether a candidate passes.")
    parser.add_argument("candidate", type=Path, help="folder of the candidate's Bundle")
    parser.add_argument("champion", type=Path, help="folder of the champion's Bundle")
    parser.add_argument("--data-dir", type=Path, help=DATA_DIR)
    return parser


if __name__ == "__main__":
    sys.exit(main())
