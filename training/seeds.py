"""Seeds: what a recipe reaches, not what one lucky run reached. Measures runs that differ in their seed alone.

`python -m training.seeds docs/evidence/NAME.json runs/...` measures finished runs, each network once as float32 and
once as int8. The choice of a recipe is made on the validation split; this is its report on the test split, and nothing
is chosen by it. training.card makes tables of it.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from app.model import Engine
from training import TrainingError
from training.card import PRECISIONS
from training.commandline import DATA_DIR, exit_code
from training.corruptions import accuracies
from training.data import Dataset, load
from training.evaluate import evaluate
from training.folder import CONFIG

Measured = dict[str, Any]


class SeedsError(TrainingError):
    """The runs cannot be averaged; the message says why."""


def recipe(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What configurations, by run, have in common. Raises SeedsError unless their seeds differ, and nothing else."""
    if len(configs) < 2:
        raise SeedsError(f"{len(configs)} run has no spread; name two or more.")
    seeds = [config["seed"] for config in configs.values()]
    if len(set(seeds)) < len(seeds):
        raise SeedsError(f"two runs have the same seed: {', '.join(map(str, sorted(seeds)))}.")
    first, *others = ({name: value for name, value in one.items() if name != "seed"} for one in configs.values())
    for run, other in zip(list(configs)[1:], others, strict=True):
        differing = [name for name in first if other.get(name) != first[name]]
        if differing:
            raise SeedsError(f"{run} differs from {next(iter(configs))} in more than its seed: {', '.join(differing)}.")
    return first


def measure(litert: bytes, dataset: Dataset) -> Measured:
    """Measure a LiteRT model on the validation split, clean and corrupted, and on the test split."""
    predict = Engine(litert).predict
    chosen_on, reported_on = evaluate(predict, dataset.validation), evaluate(predict, dataset.test)
    return {
        "bytes": len(litert),
        "validation_accuracy": chosen_on.accuracy,
        "validation_corrupted_accuracy": fmean(accuracies(predict, dataset.validation).values()),
        "test_accuracy": reported_on.accuracy,
        "test_worst_class_recall": reported_on.worst_class_recall,
        "test_ece": reported_on.ece,
        "test_class_recall": reported_on.class_recall,
    }


def _evidence(folders: Sequence[Path], data_dir: Path | None) -> dict[str, Any]:
    # Here, not above: TensorFlow takes seconds to import, which --help and a wrong option need not wait for.
    from training.export import load_keras, to_litert

    configs = {str(folder): _config(folder) for folder in folders}
    common = recipe(configs)
    dataset = load(common["dataset"], data_dir)
    runs = []
    for folder in folders:
        model = load_keras(folder / "model.keras")
        measured = {precision: measure(to_litert(model, precision), dataset) for precision in PRECISIONS}
        runs.append({"seed": configs[str(folder)]["seed"], "parameters": model.count_params(), **measured})
        print(f"{folder}: reads {measured['float32']['validation_accuracy']:.2%} of the validation images", flush=True)
    return {"dataset": dataset.name, "recipe": common, "runs": sorted(runs, key=lambda run: int(run["seed"]))}


def _config(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / CONFIG).read_text()))
    except (OSError, ValueError) as error:
        raise SeedsError(f"{folder} is no run's folder: {error}") from error


def main(arguments: list[str] | None = None) -> int:
    """Measure runs and write the evidence. Returns the exit code: 0, or 1 with one line that says why."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: _execute(options))


def _execute(options: argparse.Namespace) -> int:
    evidence = _evidence(options.runs, options.data_dir)
    options.evidence.write_text(json.dumps(evidence, indent=1) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m training.seeds", description="Measure finished runs that differ in their seed alone."
    )
    parser.add_argument("evidence", type=Path, help="JSON file to write")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder of a finished run")
    parser.add_argument("--data-dir", type=Path, help=DATA_DIR)
    return parser


if __name__ == "__main__":
    sys.exit(main())
