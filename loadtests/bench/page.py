"""What `make bench` measured, as the terminal and docs/BENCHMARK.md show it."""

import json
import statistics
import sys
from typing import Any

from loadtests.bench import goals, results
from loadtests.bench.catalogue import SERVICE
from loadtests.service import ROOT
from training import pages

PAGE = ROOT / "docs" / "BENCHMARK.md"
BEGIN = "<!-- written by make bench -->\n"
HEAD = (
    "",
    "version",
    "CPU a request, us",
    "times this service's",
    "answers a second",
    "p50, ms",
    "p99, ms",
    "memory, MB",
    "start, s",
    "installed, MB",
)


def table(measured: dict[str, Any]) -> str:
    """A row for each that answered rightly, the cheapest first."""
    return pages.table(HEAD, [_row(measured, one) for one in results.compared(measured)])


def text(measured: dict[str, Any]) -> str:
    """The table, who is not in it and why, and the verdict."""
    where = f"{measured['rounds']} rounds on {measured['machine']}, Python {measured['python']}."
    left = [f"- {title} is {reason}" for title, reason in results.excluded(measured)]
    return "\n".join([where, "", table(measured), *left, "", "```", str(goals.judge(measured)), "```", ""])


def _row(measured: dict[str, Any], one: dict[str, Any]) -> list[str]:
    is_service = one["name"] == SERVICE
    return [
        f"**{one['title']}**" if is_service else one["title"],
        one["version"],
        f"{statistics.median(one['cpu_us']):,.0f}",
        "1" if is_service else str(results.cost(measured, one["name"])),
        f"{statistics.median(one['throughput']):,.0f}",
        *(f"{statistics.median(one[name]):.1f}" if one[name] else "" for name in ("equal_p50_ms", "equal_p99_ms")),
        f"{one['memory_mb'][0]:.0f}",
        f"{statistics.median(one['start_s']):.1f}",
        f"{one['installed_mb']:,.0f}",
    ]


def main() -> int:
    """Write the table into the page."""
    pages.write(PAGE, BEGIN, text(json.loads(results.FIGURES.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
