"""What the command lines share: flags made from TrainConfig, where a run goes, and errors that are one line."""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from app.bundle import BundleError
from training import TrainingError
from training.config import TrainConfig

# TensorFlow's own messages, unless asked for: what matters among them also arrives as an exception.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

EXIT_INTERRUPTED = 130
DATA_DIR = "folder with the four MNIST IDX files (default: MNIST_DATA_DIR, else the user's cache, else a download)"


def exit_code(execute: Callable[[], int], *, error_code: int = 1, interrupted: str = "nothing was changed") -> int:
    """Give the command's exit code. An error is one line on stderr and `error_code`; Ctrl-C is one line and 130."""
    try:
        return execute()
    except KeyboardInterrupt:
        print(f"\ninterrupted: {interrupted}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (TrainingError, BundleError, FileExistsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return error_code


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each field of TrainConfig, and where data comes from and the run goes."""
    for item in fields(TrainConfig):
        parser.add_argument(
            f"--{item.name.replace('_', '-')}",
            type=type(item.default),
            default=item.default,
            choices=item.metadata["choices"] or None,
            help=f"{item.metadata['help']} (default: %(default)s)",
        )
    parser.add_argument("--data-dir", type=Path, help=DATA_DIR)
    parser.add_argument(
        "--extra-data",
        type=Path,
        metavar="FOLDER",
        help="confirmed images to train on as well: subfolders 0 to 9 of pictures, or IDX files (default: none)",
    )
    parser.add_argument("--out", type=Path, help="folder for the run (default: a new one, runs/TIME-ARCH-DATASET)")


def config_of(options: argparse.Namespace) -> TrainConfig:
    """Raises ConfigError if a flag has an impossible value."""
    return TrainConfig(**{item.name: getattr(options, item.name) for item in fields(TrainConfig)})


def out_of(options: argparse.Namespace, config: TrainConfig) -> Path:
    """The folder that --out names, else one named after the time."""
    return options.out or Path("runs") / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{config.arch}-{config.dataset}"
