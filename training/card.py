"""The model card's figures: docs/evidence, as training.seeds writes it, becomes the tables of docs/MODEL_CARD.md.

`python -m training.card` writes them. Standard library only.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from training import pages

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "MODEL_CARD.md"
EVIDENCE = DOCS / "evidence"
BEGIN = "<!-- figures: make evidence writes these -->\n"

PRECISIONS = ("float32", "int8")
# What is measured of each run, and which of the seeds counts as the worst.
COLUMNS: dict[str, tuple[str, Callable[[Iterable[float]], float]]] = {
    "validation, read right": ("validation_accuracy", min),
    "test, read right": ("test_accuracy", min),
    "worst digit's recall": ("test_worst_class_recall", min),
    "calibration error": ("test_ece", max),
    "corrupted validation, read right": ("validation_corrupted_accuracy", min),
}


def tables(evidence: Mapping[str, Any]) -> str:
    """Tables of evidence by the recipe's name: quality, mean ± standard deviation (worst seed); recall by digit."""
    return "\n".join([_quality(evidence), _recall(evidence)])


def read(folder: Path = EVIDENCE) -> dict[str, Any]:
    """The evidence of each recipe by its name, the best on the validation split first."""
    found = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    mean = {name: fmean(_values(one, "float32", "validation_accuracy")) for name, one in found.items()}
    return {name: found[name] for name in sorted(found, key=lambda name: (-mean[name], name))}


def write() -> None:
    """Put the tables in place of those on the page."""
    pages.write(PAGE, BEGIN, tables(read()))


def _quality(evidence: Mapping[str, Any]) -> str:
    rows = [
        [
            name,
            f"{one['runs'][0]['parameters']:,}",
            precision,
            f"{len(one['runs'])}",
            *(_spread(_values(one, precision, measure), worst) for measure, worst in COLUMNS.values()),
        ]
        for name, one in evidence.items()
        for precision in PRECISIONS
    ]
    return pages.table(["recipe", "parameters", "served as", "seeds", *COLUMNS], rows)


def _recall(evidence: Mapping[str, Any]) -> str:
    """Mean over seeds of each digit's recall on the test images, in float32."""
    rows = []
    for name, one in evidence.items():
        by_digit = zip(*_values(one, "float32", "test_class_recall"), strict=True)
        rows.append([name, *(f"{fmean(of_digit):.2%}" for of_digit in by_digit)])
    return pages.table(["recall of digit", *map(str, range(10))], rows)


def _values(evidence: Mapping[str, Any], precision: str, measure: str) -> list[Any]:
    return [run[precision][measure] for run in evidence["runs"]]


def _spread(values: Sequence[float], worst: Callable[[Iterable[float]], float]) -> str:
    return f"{100 * fmean(values):.3f} ± {100 * stdev(values):.3f} % ({100 * worst(values):.2f})"


if __name__ == "__main__":
    write()
    sys.stdout.write(tables(read()))
