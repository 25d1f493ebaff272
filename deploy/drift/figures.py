"""The figures of the simulation: the file that holds them, and how docs/DRIFT.md shows them. Standard library only."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training import pages

FIGURES = Path(__file__).with_name("figures.json")
PAGE = Path(__file__).parent.parent.parent / "docs" / "DRIFT.md"
BEGIN = "<!-- figures: make drift-simulation writes these -->\n"


def read() -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(FIGURES.read_text())
    return figures


def write(figures: Mapping[str, Any]) -> None:
    """Write the figures, and put their tables in place of those on the page."""
    FIGURES.write_text(json.dumps(figures, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
    pages.write(PAGE, BEGIN, tables(figures))


def tables(figures: Mapping[str, Any]) -> str:
    return "\n".join([_thresholds(figures), _false_alarms(figures), _detection(figures)])


def upper_limit(events: int, confidence: float = 0.95) -> float:
    """The largest mean of a Poisson count that `events` or fewer would not refute: Garwood's one-sided limit."""
    low, high = float(events), 10.0 * (events + 1)
    while high - low > 1e-9:
        middle = (low + high) / 2
        below = sum(math.exp(k * math.log(middle) - middle - math.lgamma(k + 1)) for k in range(events + 1))
        low, high = (middle, high) if below > 1 - confidence else (low, middle)
    return high


def _thresholds(figures: Mapping[str, Any]) -> str:
    usual = next(row for row in figures["false_alarms"] if row["per_second"] == figures["promise"]["per_second"])
    hardest = next(row for row in figures["false_alarms"] if row["per_second"] == figures["hardest_per_second"])
    head = ["alert", "fires above", f"clean at {usual['per_second']:g}/s", f"clean at {hardest['per_second']:g}/s"]
    rows = [
        [alert, f"{threshold:g}", f"{usual['highest'][alert]:.3f}", f"{hardest['highest'][alert]:.3f}"]
        for alert, threshold in figures["rules"]["thresholds"].items()
    ]
    held, guard = figures["rules"]["for_minutes"], figures["rules"]["guard"]
    rule = f"\nEach must hold for {held} minutes, while more than {guard} images came within the hour.\n"
    return pages.table(head, rows) + rule


def _false_alarms(figures: Mapping[str, Any]) -> str:
    rows = [
        [f"{row['per_second']:g}", f"{row['months']}", f"{row['alarms']}", f"{row['per_month_at_most']:.3f}"]
        for row in figures["false_alarms"]
    ]
    return pages.table(["images a second", "months", "false alarms", "a month, at most (95 %)"], rows)


def _detection(figures: Mapping[str, Any]) -> str:
    alerts = list(figures["rules"]["thresholds"])
    head = ["traffic", "share", "first alert", *(alert.removeprefix("MnistModel") for alert in alerts)]
    rows = [
        [row["traffic"], f"{row['share']:.0%}", _minutes(row["first"]), *(_minutes(row["alerts"][a]) for a in alerts)]
        for row in figures["detection"]
    ]
    return pages.table(head, rows) + f"\nOver {figures['trials']} trials each.\n"


def _minutes(found: Mapping[str, Any]) -> str:
    """Median and 95th percentile; a dash for an alert that is not fired in time in half of the trials."""
    if found["median"] is None:
        return "-"
    return f"{found['median']:.0f} ({'-' if found['p95'] is None else format(found['p95'], '.0f')})"
