"""What the service does, from a terminal: predict pictures, verify a Bundle, serve.

By the same functions as the service. Exit codes: 0 all is right, 1 a picture or the Bundle is not, 2 wrong usage.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from app import logs, model, predictor
from app.bundle import BundleError
from app.config import Settings, SettingsError
from app.files import Files
from app.image import InvalidImage

_STANDARD_INPUT = "-"


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say, and give the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except BundleError as error:
        _complain(str(error))
        return 1
    except SettingsError as error:
        _complain(str(error))
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app", description="Classify digits, as the service does.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    predict = commands.add_parser("predict", help="say which digits pictures show")
    predict.add_argument("files", nargs="+", metavar="FILE", help="a picture, or 784 bytes; - for standard input")
    predict.add_argument("--model", type=Path, metavar="DIR", help="folder of the Bundle (default: MNIST_MODEL_DIR)")
    predict.add_argument("--raw", action="store_true", help="take pictures as they come: only grey, and 28x28")
    predict.add_argument("--json", action="store_true", help="print a JSON object for each file")
    predict.set_defaults(command=_predict)
    verify = commands.add_parser("verify", help="check a Bundle's checksums and golden answers")
    verify.add_argument("folder", type=Path, metavar="DIR", help="folder of the Bundle")
    verify.add_argument("--json", action="store_true", help="print a JSON object")
    verify.set_defaults(command=_verify)
    serve = commands.add_parser("serve", help="serve, with the settings of the environment")
    serve.set_defaults(command=_serve)
    return parser


def _predict(options: argparse.Namespace) -> int:
    """Classify each file; complain of those that cannot be, and go on."""
    classifier = _load(options.model or Settings.from_env(os.environ).model_dir)
    failed = 0
    for name in options.files:
        try:
            content = sys.stdin.buffer.read() if name == _STANDARD_INPUT else Path(name).read_bytes()
            image = Files(raw=options.raw).file(content, name)
        except (InvalidImage, OSError) as error:
            failed += 1
            wrong = str(error) if isinstance(error, InvalidImage) else f"`{name}` cannot be read: {error.strerror}."
            if options.json:
                _print_json({"file": name, "error": wrong})
            else:
                _complain(wrong)
            continue
        (answer,) = predictor.answers(classifier.predict(image.pixels[None]))
        if options.json:
            _print_json({"file": name, **msgspec.to_builtins(answer)})
        else:
            print(f"{name}: {answer.prediction} ({answer.confidence:.1%})")
    return int(failed > 0)


def _verify(options: argparse.Namespace) -> int:
    try:
        bundle = _load(options.folder).bundle
    except BundleError as error:
        if not options.json:
            raise
        _print_json({"folder": str(options.folder), "right": False, "error": str(error)})
        return 1
    found = {"version": bundle.manifest.version, "sha256": bundle.manifest.sha256, "golden": len(bundle.golden.cases)}
    if options.json:
        _print_json({"folder": str(options.folder), "right": True, **found})
    else:
        print(f"{options.folder} is right: its files are {found['version']}'s, sha256 {found['sha256']},")
        print(f"and the model gives its {found['golden']} golden answers.")
    return 0


def _serve(_: argparse.Namespace) -> int:
    """Become gunicorn, which reads the settings and says what is wrong with them."""
    configuration = str(Path(__file__).with_name("gunicorn.conf.py"))
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "-c", configuration])  # noqa: S606  # no shell is meant


def _load(folder: Path) -> model.Classifier:
    # LiteRT greets on standard error, which is for what is wrong.
    with logs.captured("litert"):
        return model.load(folder)


def _print_json(value: dict[str, Any]) -> None:
    print(msgspec.json.encode(value).decode())


def _complain(message: str) -> None:
    print(message, file=sys.stderr)
