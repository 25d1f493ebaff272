"""What was measured, as it is kept: reading it back, ratios with their spread, versions. Standard library only."""

import re
import statistics
from dataclasses import dataclass
from typing import Any

from loadtests.bench.catalogue import CATALOGUE, FLOOR, SERVICE
from loadtests.service import ROOT

FIGURES = ROOT / "docs" / "benchmark" / "figures.json"
# Less than this apart, two peers are said to cost the same.
TIE = 0.15
# The package whose version is a peer's.
_PACKAGE = {"flask_tensorflow": "tensorflow-cpu", FLOOR: "gunicorn"}


@dataclass(frozen=True)
class Ratio:
    """A ratio of two costs: its median over the rounds, and the quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, above: list[float], below: list[float]) -> "Ratio":
        """Divide round by round: what the machine did else in a round, it did to both."""
        return cls.spread([one / other for one, other in zip(above, below, strict=True)])

    @classmethod
    def spread(cls, ratios: list[float]) -> "Ratio":
        low, _, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
        return cls(statistics.median(ratios), low, high)

    @property
    def is_tie(self) -> bool:
        return 1 / (1 + TIE) < self.median < 1 + TIE

    def __str__(self) -> str:
        return f"{_short(self.median)} ({_short(self.low)} to {_short(self.high)}){' tie' if self.is_tie else ''}"


def compared(measured: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that answered rightly, the cheapest first."""
    found = [one for one in measured["peers"] if one.get("cpu_us") and not one["disqualified"]]
    return sorted(found, key=lambda one: statistics.median(one["cpu_us"]))


def by_name(measured: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in compared(measured)}


def excluded(measured: dict[str, Any]) -> list[tuple[str, str]]:
    """Those that are not compared, each with the reason."""
    return [
        (one["title"], f"left out: {one['left_out']}" if "left_out" in one else f"disqualified: {one['disqualified']}")
        for one in measured["peers"]
        if "left_out" in one or one["disqualified"]
    ]


def cost(measured: dict[str, Any], name: str) -> Ratio:
    """How many times this service's CPU a request that of another is."""
    found = by_name(measured)
    return Ratio.of(found[name]["cpu_us"], found[SERVICE]["cpu_us"])


def best_peer(measured: dict[str, Any]) -> str:
    """The name of the cheapest peer; empty if none was compared. Floors are none."""
    peers = {peer.name for peer in CATALOGUE if peer.is_peer}
    return next((one["name"] for one in compared(measured) if one["name"] in peers), "")


def version(name: str, pins: str) -> str:
    """The version of a peer's own package, from its pins; empty for this service, which is this commit's."""
    package = _PACKAGE.get(name, name)
    found = re.search(rf"^{package}(?:\[[a-z,]+\])?==(\S+)", pins, re.M)
    return "" if name == SERVICE or not found else found[1]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
