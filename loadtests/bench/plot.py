"""Draw what `make bench` measured: the CPU that a request costs each peer, with the quartiles of its rounds."""

import json
import statistics
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from loadtests.bench.catalogue import CATALOGUE, SERVICE
from loadtests.bench.results import FIGURES, compared

PLOT = FIGURES.with_suffix(".svg")
FLOORS = {peer.name for peer in CATALOGUE if peer.is_floor}


def colour(name: str) -> str:
    return "tab:blue" if name == SERVICE else "lightgrey" if name in FLOORS else "grey"


def spread(values: list[float]) -> tuple[float, float]:
    """How far the quartiles are below and above the median."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle - low, high - middle


def draw(measured: dict[str, Any]) -> plt.Figure:
    """Draw a bar for each that answered rightly, the cheapest on top."""
    peers = compared(measured)
    medians = [statistics.median(one["cpu_us"]) for one in peers]
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    bars = axes.barh(
        [one["title"] for one in peers],
        medians,
        xerr=list(zip(*(spread(one["cpu_us"]) for one in peers), strict=True)),
        color=[colour(one["name"]) for one in peers],
    )
    axes.bar_label(bars, [f"{median:,.0f}" for median in medians], padding=6)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="CPU a request, microseconds")
    axes.margins(x=0.15)
    return figure


def main() -> None:
    """Write the plot beside the measurement."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "benchmark"
    draw(json.loads(FIGURES.read_text())).savefig(PLOT, metadata={"Date": None})


if __name__ == "__main__":
    main()
