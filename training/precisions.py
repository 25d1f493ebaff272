"""Precisions: one model exported as float32, float16 and int8, compared through the engine that serves, and a choice.

`python -m training.precisions runs/x/model.keras` prints the table. Chosen on the validation split. The time depends on
the processor: int8 gains most on those that multiply bytes in one instruction, as servers' do since about 2020.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from app.image import from_bytes
from app.model import Engine
from training.commandline import DATA_DIR, exit_code
from training.data import Split, load
from training.evaluate import evaluate
from training.gate import Policy
from training.measure import CALLS, Clock, in_turns

REFERENCE = "float32"
ACCURACY_LOSS = 0.0005  # share of images; one in five of the Gate's margin, and two of the 5,000 validation images
EQUAL_TIME = 1.1  # times closer than this ratio differ by chance from run to run


@dataclass(frozen=True)
class Export:
    """One precision of a model, as measured on one split beside the others."""

    precision: str
    accuracy: float
    ece: float
    differ: int  # images that it classifies otherwise than float32
    size_bytes: int
    latency_s: float  # for one image


def compare(models: Mapping[str, bytes], split: Split, clock: Clock = time.perf_counter) -> list[Export]:
    """Measure LiteRT models, by their precision, on the same images; `models` holds float32."""
    engines = {precision: Engine(model) for precision, model in models.items()}
    images = from_bytes(split.images)
    classes = {precision: engine.predict(images).argmax(axis=1) for precision, engine in engines.items()}
    rounds = in_turns(tuple(engine.predict for engine in engines.values()), images[:CALLS], clock)
    rows = []
    for (precision, engine), latencies_s in zip(engines.items(), rounds, strict=True):
        report = evaluate(engine.predict, split)
        differ = int(np.count_nonzero(classes[precision] != classes[REFERENCE]))
        latency_s = median(latencies_s)
        rows.append(Export(precision, report.accuracy, report.ece, differ, len(models[precision]), latency_s))
    return rows


def choose(rows: Iterable[Export]) -> Export:
    """The fastest of the exports that are as good as float32; of equally fast ones the smallest.

    As good: no more than ACCURACY_LOSS less accurate, and within the Gate's limit on calibration error unless float32
    is beyond it too.
    """
    by_precision = {row.precision: row for row in rows}
    reference = by_precision.pop(REFERENCE)
    good = [reference, *(row for row in by_precision.values() if _as_good(row, reference))]
    fastest_s = min(row.latency_s for row in good)
    return min((row for row in good if row.latency_s <= fastest_s * EQUAL_TIME), key=lambda row: row.size_bytes)


def table(rows: Iterable[Export], chosen: Export) -> str:
    """The comparison as a Markdown table, the chosen export in bold."""
    lines = [
        "| precision | accuracy | calibration error | other class than float32 | bytes | one image |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = f"**{row.precision}**" if row == chosen else row.precision
        lines.append(
            f"| {name} | {row.accuracy:.2%} | {row.ece:.2%} | {row.differ} | {row.size_bytes:,} |"
            f" {row.latency_s * 1e6:.0f} µs |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the table of a saved Keras model. Returns the exit code: 0, or 1 with one line that says why."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: _execute(options))


def _execute(options: argparse.Namespace) -> int:
    # Here, not above: TensorFlow takes seconds to import, which --help and a wrong option need not wait for.
    from training.export import in_each_precision, load_keras

    split = load(options.dataset, options.data_dir).validation
    rows = compare(in_each_precision(load_keras(options.model)), split)
    print(f"{options.model} on {len(split):,} validation images of {options.dataset}\n")
    print(table(rows, choose(rows)))
    return 0


def _as_good(row: Export, reference: Export) -> bool:
    return row.accuracy >= reference.accuracy - ACCURACY_LOSS and row.ece <= max(reference.ece, Policy().max_ece)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m training.precisions", description="Compare float32, float16 and int8 exports of one Keras model."
    )
    parser.add_argument("model", type=Path, help=".keras or .h5 file")
    parser.add_argument(
        "--dataset", default="mnist", choices=("mnist", "digits"), help="what to compare on (default: %(default)s)"
    )
    parser.add_argument("--data-dir", type=Path, help=DATA_DIR)
    return parser


if __name__ == "__main__":
    sys.exit(main())
