"""Where the results of a load are: a new folder for each, which git ignores. Standard library only."""

from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "runs" / "load"
VERDICT = "verdict.txt"


def folder(name: str) -> Path:
    """The place of a folder for a load that begins now; it is not made here."""
    return FOLDER / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}"
