"""Draw what `make overload` measured: offered load against goodput and latency, with admission control and without."""

import json

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from loadtests.overload import P99_MS, RESULTS

PLOT = RESULTS.with_suffix(".svg")
LABELS = {"with": "with admission control", "without": "without"}


def draw(axes: Axes, measured: dict[str, list[dict[str, float]]], name: str, label: str) -> None:
    """Draw one figure of both services over the offered load."""
    for kind, style in (("with", "o-"), ("without", "s--")):
        offered = [point["offered"] for point in measured[kind]]
        axes.plot(offered, [point[name] for point in measured[kind]], style, label=LABELS[kind], markersize=4)
    axes.set(xlabel="offered, requests a second", ylabel=label)
    axes.grid(visible=True, alpha=0.3)


def main() -> None:
    """Write the plot beside the measurement."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "overload"
    measured = json.loads(RESULTS.read_text())
    figure, (goodput, latency) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    draw(goodput, measured, "goodput", "right answers a second")
    draw(latency, measured, "answered_p99_ms", "p99 of the right answers, ms")
    goodput.set_ylim(bottom=0)
    goodput.axvline(measured["capacity"], color="grey", linewidth=1, linestyle=":", label="capacity")
    latency.axhline(P99_MS, color="grey", linewidth=1, linestyle=":", label="objective")
    latency.set_yscale("log")
    for axes in (goodput, latency):
        axes.legend()
    figure.savefig(PLOT, metadata={"Date": None})


if __name__ == "__main__":
    main()
