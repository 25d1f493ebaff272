"""The command line, and nothing else: `python -m training --help`."""

import argparse
import os
import sys
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from training import TrainingError
from training.config import TrainConfig
from training.data import load

# TensorFlow's own messages, unless asked for: what matters among them also arrives as an exception.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

EXIT_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Train, or turn a Keras file into a Bundle. Returns the exit code: 0, 1 with one line that says why, or 130."""
    options = _parser().parse_args(arguments)
    try:
        _execute(options)
    except KeyboardInterrupt:
        print("\ninterrupted: nothing was written", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (TrainingError, FileExistsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _execute(options: argparse.Namespace) -> None:
    config = TrainConfig(**{item.name: getattr(options, item.name) for item in fields(TrainConfig)})
    out = options.out or Path("runs") / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{config.arch}-{config.dataset}"
    # Here, not above: TensorFlow and MLflow take seconds to import, which --help and a wrong option need not wait for.
    from training import pipeline

    if options.from_keras:
        manifest = pipeline.bundle_keras(options.from_keras, out, load(config.dataset, options.data_dir)).manifest
    else:
        manifest = pipeline.run(config, out, options.data_dir).manifest
    quality = f"{manifest.metrics['accuracy']:.2%} of {manifest.metrics['n_test']:,} {manifest.dataset} test images"
    print(f"{out / pipeline.BUNDLE}: {manifest.name} {manifest.version} reads {quality}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m training", description="Train a digit classifier, track it in MLflow and write its Bundle."
    )
    for item in fields(TrainConfig):
        parser.add_argument(
            f"--{item.name.replace('_', '-')}",
            type=type(item.default),
            default=item.default,
            choices=item.metadata["choices"] or None,
            help=f"{item.metadata['help']} (default: %(default)s)",
        )
    parser.add_argument(
        "--data-dir",
        type=Path,
        help="folder with the four MNIST IDX files (default: MNIST_DATA_DIR, else the user's cache, else a download)",
    )
    parser.add_argument("--out", type=Path, help="new folder for the run (default: runs/TIME-ARCH-DATASET)")
    parser.add_argument(
        "--from-keras",
        type=Path,
        metavar="FILE",
        help="do not train: make a Bundle of this .keras or .h5 file (default: train)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
