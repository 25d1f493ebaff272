"""A challenger: as many networks as were asked for, trained as the champion was, and the best of them before the Gate.

The best is the one that reads most of the validation images; only it meets the test images. Runs in the environment
that trains, in the repository's root. Exits with 0 if the Gate passed it, else with lines that say why.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app import bundle
from app.bundle import BundleError
from deploy.github.step import StepError, exit_code, summarise
from training.config import ConfigError, TrainConfig
from training.folder import REPORT, RESULTS
from training.judge import EXIT_FAILED

RUNS = Path("runs")
MOST_SEEDS = 20


def recipe(champion: Path, arch: str) -> list[str]:
    """The options that trained the champion but for its seed, and with this network if one is named."""
    try:
        config: dict[str, Any] | None = bundle.read(champion).manifest.lineage.get("train_config")
        if not config:
            raise StepError(f"{champion} does not say how it was trained. Train by hand: make retrain ARGS=--help")
        options = asdict(TrainConfig(**config | ({"arch": arch} if arch else {})))
    except (BundleError, ConfigError) as error:
        raise StepError(str(error)) from error
    return [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if name != "seed" and value != ""]


def seeds(count: str, run: str) -> range:
    """So many seeds, which no other run of the workflow has, and this one if it is started again."""
    if not count.isdigit() or not 1 <= int(count) <= MOST_SEEDS:
        raise StepError(f"SEEDS is {count!r}, but must be a number from 1 to {MOST_SEEDS}")
    first = int(run) * MOST_SEEDS
    return range(first, first + int(count))


def train(options: list[str], seed: int, extra_data: str) -> Path:
    """Train one seed, if its run's folder is not there already, and give that folder."""
    out = RUNS / f"challenger-{seed}"
    if not out.exists():
        extra = [f"--extra-data={extra_data}"] if extra_data else []
        command = [sys.executable, "-m", "training", *options, *extra, f"--seed={seed}", f"--out={out}"]
        ended, reason = follow(command)
        if ended:
            raise StepError(f"seed {seed} was not trained. {reason}")
    return out


def follow(command: list[str]) -> tuple[int, str]:
    """Run a command that shows what it does as it does it. Gives its exit code, and the error that it ended with."""
    error = ""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as running:
        for line in running.stderr or ():
            print(line, end="", file=sys.stderr, flush=True)
            error = f"{error}{line}" if error or line.startswith("error: ") else ""
    return running.returncode, error.removeprefix("error: ").strip()


def validation_accuracy(out: Path) -> float:
    return float(json.loads((out / RESULTS).read_text())["history"][-1]["val_accuracy"])


def main() -> int:
    """Train each seed, choose the best, and retrain with it."""
    champion = Path(os.environ.get("CHAMPION") or "deploy/model")
    options = recipe(champion, os.environ.get("ARCH", ""))
    chosen = seeds(os.environ.get("SEEDS") or "1", os.environ.get("GITHUB_RUN_NUMBER") or "0")
    accuracies = {
        out: validation_accuracy(out)
        for out in [train(options, seed, os.environ.get("EXTRA_DATA", "")) for seed in chosen]
    }
    best = max(accuracies, key=lambda out: accuracies[out])
    for out, accuracy in accuracies.items():
        print(f"{out}: {accuracy:.4f} of the validation images{', the best' if out == best else ''}", flush=True)
    command = [sys.executable, "-m", "training.retrain", f"--out={best}", f"--champion={champion}"]
    ended, reason = follow(command)
    if ended not in {0, EXIT_FAILED}:
        raise StepError(f"{best} was not judged. {reason}")
    summarise((best / REPORT / "report.md").read_text())
    return ended


if __name__ == "__main__":
    sys.exit(exit_code(main))
