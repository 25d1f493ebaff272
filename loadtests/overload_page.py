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
    "| offered, a second | right, a second | p50, ms | p99, ms | refused | p50 of these, ms"
    " | unbounded: right, a second | p99, ms |\n|---|---|---|---|---|---|---|---|"
)


def table(measured: dict[str, Any]) -> str:
    """A row for each offered rate, and the verdict on the highest."""
    lines = [HEAD]
    for bent, broken in zip(measured["with"], measured["without"], strict=True):
        refused = f"{bent['refused_p50_ms']:g}" if bent["refused"] else ""
        lines.append(
            f"| {bent['offered']:,} | {bent['goodput']:,} | {bent['answered_p50_ms']:g} | {bent['answered_p99_ms']:g} |"
            f" {bent['refused']:,} | {refused} | {broken['goodput']:,} | {broken['answered_p99_ms']:,g} |"
        )
    verdict = judge(measured["with"], measured["recovered"])
    return "\n".join([*lines, "", "```", str(verdict), "```", ""])


def main() -> int:
    """Write the table into the page."""
    pages.write(PAGE, BEGIN, table(json.loads(RESULTS.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
