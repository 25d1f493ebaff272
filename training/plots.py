"""Plots of what was measured: each function draws on a figure, and `png` gives the picture's bytes.

The only file that imports matplotlib, and never pyplot, whose figures are global. The same data gives the same bytes.
Colours are those of Okabe and Ito, which colour-blind readers tell apart.
"""

import io
from collections.abc import Callable, Sequence
from math import ceil
from typing import TypeVarTuple

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from app.model import CLASSES
from training.evaluate import ECE_BINS
from training.findings import Findings, History, Reliability

Data = TypeVarTuple("Data")

_IMAGES_A_ROW = 10

_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#6e6e6e"
_MARKS = (
    {"label": "candidate", "color": _BLUE, "marker": "o", "markersize": 5, "zorder": 3},
    {"label": "champion", "color": _ORANGE, "marker": "D", "markersize": 7, "fillstyle": "none"},
)
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
}
_DPI = 120


def png(draw: Callable[[Figure, *Data], None], *data: *Data) -> bytes:
    """Draw on a new figure and return it as a PNG that names neither a program nor a time."""
    with style.context(["default", _STYLE]):  # the user's own matplotlibrc must not change the bytes
        figure = Figure(layout="constrained", dpi=_DPI)
        draw(figure, *data)
        content = io.BytesIO()
        figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def learning_curves(figure: Figure, history: History) -> None:
    """Loss and share of errors by epoch, of training and validation."""
    figure.set_size_inches(8, 3)
    loss, error = figure.subplots(1, 2)
    for prefix, name, colour, marker in (("", "training", _GREY, "o"), ("val_", "validation", _BLUE, "s")):
        epochs = np.arange(1, len(history) + 1)
        mark = {"color": colour, "marker": marker, "markersize": 3.5, "label": name}
        loss.plot(epochs, [epoch[f"{prefix}loss"] for epoch in history], **mark)
        error.plot(epochs, [100 * (1 - epoch[f"{prefix}accuracy"]) for epoch in history], **mark)
    for axes, label in ((loss, "loss (cross-entropy, nats)"), (error, "images read wrong (%)")):
        axes.set(xlabel="epoch", ylabel=label, xlim=(0.5, len(history) + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if any((line.get_ydata() > 0).any() for line in axes.lines):
            _make_logarithmic(axes, ticks=(1, 2, 5))
    loss.legend()


def confusion(figure: Figure, counts: Sequence[Sequence[int]]) -> None:
    """Digits against answers; only what is read wrong is coloured, or the thousands read right would hide it."""
    figure.set_size_inches(5.6, 5)
    matrix = np.array(counts)
    wrong = np.where(np.eye(CLASSES, dtype=bool), 0, matrix)
    axes = figure.subplots()
    image = axes.imshow(np.ma.masked_equal(wrong, 0), cmap="YlOrBr", vmin=0, vmax=max(1, wrong.max()))
    for digit, answer in np.argwhere(matrix > 0):
        dark = wrong[digit, answer] > 0.6 * wrong.max()
        colour = _BLUE if digit == answer else "white" if dark else "black"
        axes.text(answer, digit, str(matrix[digit, answer]), ha="center", va="center", color=colour, fontsize=8)
    axes.set(xlabel="answer", ylabel="digit in the image", xticks=range(CLASSES), yticks=range(CLASSES))
    axes.grid(visible=False)
    figure.colorbar(image, label="images read wrong", shrink=0.8, ticks=MaxNLocator(integer=True))


def reliability(figure: Figure, bins: Reliability, ece: float) -> None:
    """Accuracy against confidence in the bins of the expected calibration error, and how many images each bin holds."""
    figure.set_size_inches(5.2, 5)
    share, count = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    filled = bins.counts > 0
    accuracy = 100 * bins.right[filled] / bins.counts[filled]
    reach = np.abs(100 * bins.interval().T - accuracy)
    share.plot([0, 100], [0, 100], color=_GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
    bars = {"color": _BLUE, "fmt": "o", "markersize": 4, "clip_on": False, "label": "one bin, with its 95 % interval"}
    share.errorbar(100 * bins.confidence[filled], accuracy, reach, **bars)
    share.set(ylabel="accuracy (%)", xlim=(0, 100), ylim=(0, 100))
    share.set_title(f"expected calibration error {100 * ece:.2f} %", loc="left")
    share.legend(loc="upper left")
    edges = np.linspace(0, 100, ECE_BINS + 1)
    count.bar(edges[:-1], bins.counts, width=100 / ECE_BINS, align="edge", color=_BLUE, edgecolor="white")
    count.set(xlabel="confidence (%)", ylabel="images")
    _make_logarithmic(count, ticks=(1,))
    count.set_ylim(bottom=0.7)  # so that one image shows


def mistakes(figure: Figure, findings: Findings, indices: NDArray[np.intp]) -> None:
    """Images of the test split, each with its label, the answer and its confidence."""
    rows = ceil(len(indices) / _IMAGES_A_ROW)
    figure.set_size_inches(9, 1.35 * rows)
    grid = figure.subplots(rows, _IMAGES_A_ROW, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, index in zip(grid.flat, indices, strict=False):
        axes.imshow(findings.split.images[index], cmap="gray", vmin=0, vmax=255)
        answer, confidence = findings.answers[index], findings.confidence[index]
        axes.set_title(f"{findings.split.labels[index]} read as {answer}\n{100 * confidence:.1f} %", fontsize=8)


def comparison(figure: Figure, models: Sequence[Findings]) -> None:
    """Recall by digit and accuracy by kind of corruption, of the candidate and, if it is there, the champion."""
    figure.set_size_inches(9, 4)
    recall, corrupted = figure.subplots(1, 2)
    best_first = sorted(models[0].corrupted, key=models[0].corrupted.__getitem__, reverse=True)
    recalls = np.array([model.report.class_recall for model in models])
    accuracies = np.array([[model.corrupted[kind] for kind in best_first] for model in models])
    _dots(recall, [str(digit) for digit in range(CLASSES)], 100 * recalls)
    _dots(corrupted, [kind.replace("_", " ") for kind in best_first], 100 * accuracies)
    recall.set(xlabel="recall (%)", ylabel="digit")
    corrupted.set(xlabel="accuracy on corrupted images (%)")
    figure.legend(*corrupted.get_legend_handles_labels(), loc="outside upper center", ncols=2)


def _make_logarithmic(axes: Axes, ticks: tuple[int, ...]) -> None:
    """Scale the y axis by powers of ten, with these ticks in each, written as people write them: 0.2, 1,000."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=ticks))
    axes.yaxis.set_major_formatter("{x:,.6g}")
    axes.yaxis.set_minor_locator(NullLocator())


def _dots(axes: Axes, names: Sequence[str], percents: NDArray[np.float64]) -> None:
    """A row a name, with a dot a model, and a line between the dots of two; percents are [models, names]."""
    rows = np.arange(len(names))
    for dots, mark in zip(percents, _MARKS, strict=False):
        axes.plot(dots, rows, linestyle="none", **mark)
    axes.hlines(rows, percents.min(axis=0), percents.max(axis=0), color=_GREY, linewidth=1)
    lowest = min(99, np.nanmin(percents))  # so that a perfect model's axis ends at 100 too
    margin = 0.04 * (100 - lowest)
    axes.set_xlim(lowest - margin, 100 + margin)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 2.5, 5, 10)))
    axes.set_yticks(rows, names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
