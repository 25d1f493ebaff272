"""What `make overload` measured, as docs/OVERLOAD.md shows it."""

import json
import sys
from typing import Any

from loadtests.overload import RESULTS, judge
from loadtests.service import ROOT
from training import pages

PAGE = ROOT / "docs" / "OVERLOAD.md"
BEGIN = "<!-- written by make overload -->\n"
HEAD = (
    "offered, a second",
    "right, a second",
    "p50, ms",
    "p99, ms",
    "refused",
    "p50 of these, ms",
    "unbounded: right, a second",
    "p99, ms",
)


def table(measured: dict[str, Any]) -> str:
    """A row for each offered rate, and the verdict on the highest."""
    rows = [_row(bent, broken) for bent, broken in zip(measured["with"], measured["without"], strict=True)]
    verdict = judge(measured["with"], measured["recovered"])
    return "\n".join([pages.table(HEAD, rows), "```", str(verdict), "```", ""])


def _row(bent: dict[str, Any], broken: dict[str, Any]) -> list[str]:
    return [
        f"{bent['offered']:,}",
        f"{bent['goodput']:,}",
        f"{bent['answered_p50_ms']:g}",
        f"{bent['answered_p99_ms']:g}",
        f"{bent['refused']:,}",
        f"{bent['refused_p50_ms']:g}" if bent["refused"] else "",
        f"{broken['goodput']:,}",
        f"{broken['answered_p99_ms']:,g}",
    ]


def main() -> int:
    """Write the table into the page."""
    pages.write(PAGE, BEGIN, table(json.loads(RESULTS.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
