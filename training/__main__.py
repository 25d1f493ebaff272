"""The command line, and nothing else: `python -m training --help`."""

import argparse
import sys
from pathlib import Path

from training.commandline import add_run_flags, config_of, exit_code, out_of
from training.data import load
from training.folder import BUNDLE


def main(arguments: list[str] | None = None) -> int:
    """Train, or turn a Keras file into a Bundle. Returns the exit code: 0, 1 with one line that says why, or 130."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: _execute(options), interrupted="nothing was written")


def _execute(options: argparse.Namespace) -> int:
    config = config_of(options)
    out = out_of(options, config)
    # Here, not above: TensorFlow and MLflow take seconds to import, which --help and a wrong option need not wait for.
    from training import pipeline

    if options.from_keras:
        manifest = pipeline.bundle_keras(options.from_keras, out, load(config.dataset, options.data_dir)).manifest
    else:
        manifest = pipeline.run(config, out, options.data_dir, options.extra_data).manifest
    quality = f"{manifest.metrics['accuracy']:.2%} of {manifest.metrics['n_test']:,} {manifest.dataset} test images"
    print(f"{out / BUNDLE}: {manifest.name} {manifest.version} reads {quality}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m training", description="Train a digit classifier, track it in MLflow and write its Bundle."
    )
    add_run_flags(parser)
    parser.add_argument(
        "--from-keras",
        type=Path,
        metavar="FILE",
        help="do not train: make a Bundle of this .keras or .h5 file (default: train)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
