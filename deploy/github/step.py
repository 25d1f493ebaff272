"""A workflow's step: what it is given, what it gives on, and the tools it runs. Outside GitHub it only prints.

The modules beside this one are the steps that are more than a command: `make` runs them, here as on GitHub. What came
from a caller reaches them as environment variables and is never part of a command line. Standard library only.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DIST = ROOT / "dist"
TIMEOUT_S = 600
# Seconds between two looks at something that others bring about.
POLL_S = 15.0


class StepError(Exception):
    """The step cannot be done; the message says why and what to do."""


def given(name: str, meaning: str) -> str:
    """An environment variable that must be set. Raises StepError."""
    value = os.environ.get(name, "").strip()
    if not value:
        raise StepError(f"{name} is not set: {meaning}")
    return value


def digest(name: str) -> str:
    """An environment variable that must be a sha256 digest. Raises StepError."""
    value = given(name, "an image's digest, sha256:…")
    if not re.fullmatch("sha256:[0-9a-f]{64}", value):
        raise StepError(f"{name} is {value!r}, but must be sha256: and 64 hexadecimal digits")
    return value


def output(name: str, value: str) -> None:
    """Give a value to the steps and jobs that follow."""
    if "\n" in value:
        raise StepError(f"the output {name} has more than one line, so it would be read as several outputs")
    print(f"{name}={value}")
    _append("GITHUB_OUTPUT", f"{name}={value}\n")


def summarise(markdown: str) -> None:
    """Show a text on the run's page."""
    print(markdown)
    _append("GITHUB_STEP_SUMMARY", f"{markdown}\n")


def run(*command: str) -> str:
    """Run a tool and give what it prints, without the white space around it. Raises StepError if it fails."""
    return run_for_bytes(*command).decode().strip()


def run_for_bytes(*command: str) -> bytes:
    """Run a tool in the repository's root and give what it prints. Raises StepError with its own words if it fails."""
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=TIMEOUT_S)
    except OSError as error:
        raise StepError(f"{command[0]} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise StepError(f"{' '.join(command)}: no end after {TIMEOUT_S} s") from error
    if ended.returncode:
        raise StepError(f"{' '.join(command)}: {(ended.stderr or ended.stdout).decode(errors='replace').strip()}")
    return ended.stdout


def exit_code(execute: Callable[[], int | None]) -> int:
    """Give the step's exit code; an error is said on stderr and on the run's page, and is 1."""
    try:
        return execute() or 0
    except StepError as error:
        print(f"error: {error}", file=sys.stderr)
        _append("GITHUB_STEP_SUMMARY", f"Stopped: {error}\n")
        return 1


def _append(variable: str, text: str) -> None:
    if path := os.environ.get(variable):
        with Path(path).open("a") as file:
            file.write(text)
