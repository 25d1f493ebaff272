"""The report of a model, fit to be a pull request's text: what the Gate says, what was measured, and plots.

`write` leaves a folder with `report.md`, its pictures, and `report.html`, one file that holds everything.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from training import plots
from training.document import Block, Heading, Paragraph, Picture, Table, to_html, to_markdown
from training.findings import Findings, Reliability
from training.gate import Decision
from training.lineage import origin, repetition

MARKDOWN_FILE = "report.md"
HTML_FILE = "report.html"
WORST_MISTAKES = 20
ROLES = ("candidate", "champion")

_LEARNING_CURVES = "learning_curves.png"
_COMPARISON = "comparison.png"
_CONFUSION = "confusion.png"
_RELIABILITY = "reliability.png"
_MISTAKES = "mistakes.png"


def write(
    folder: Path, candidate: Findings, champion: Findings | None = None, decision: Decision | None = None
) -> None:
    """Write the report into a folder, new or in place of an older report; the same findings give the same bytes.

    Candidate and champion must have been measured on the same images.
    """
    title = f"{candidate.name} {candidate.version}"
    blocks = list(_blocks(candidate, champion, decision))
    folder.mkdir(parents=True, exist_ok=True)
    for file in (_LEARNING_CURVES, _COMPARISON, _CONFUSION, _RELIABILITY, _MISTAKES):
        (folder / file).unlink(missing_ok=True)
    for block in blocks:
        if isinstance(block, Picture):
            (folder / block.file).write_bytes(block.png)
    (folder / MARKDOWN_FILE).write_text(to_markdown(title, blocks), encoding="utf-8")
    (folder / HTML_FILE).write_text(to_html(title, blocks), encoding="utf-8")


def _blocks(candidate: Findings, champion: Findings | None, decision: Decision | None) -> Iterator[Block]:
    models = [candidate] if champion is None else [candidate, champion]
    yield Paragraph(_verdict(models, decision))
    if decision is not None:
        yield Heading("Gate")
        yield _rules(decision)
    yield Heading("Quality")
    yield _quality(models)
    if candidate.exports:
        yield Heading("Precisions")
        yield _precisions(candidate)
    yield Heading("Plots")
    yield from _pictures(models)
    yield Heading("Corrupted images")
    yield _corrupted(models)
    yield Heading("Lineage of the candidate")
    yield from origin(candidate.sha256, candidate.lineage)
    yield Heading("How to make it again")
    yield from repetition(candidate.lineage)


def _verdict(models: Sequence[Findings], decision: Decision | None) -> str:
    candidate, *champion = (f"{model.name} {model.version}" for model in models)
    if decision is None:
        return f"No gate was asked about {candidate}."
    against = "".join(f" against the champion, {name}" for name in champion)
    if decision.passed:
        return f"{candidate} passes the gate{against}: all {len(decision.outcomes)} rules hold."
    return f"{candidate} fails the gate{against}, by {', '.join(decision.failed)}."


def _rules(decision: Decision) -> Table:
    rows = [
        (outcome.rule, "pass" if outcome.passed else "FAIL", f"The candidate {outcome.numbers}.")
        for outcome in decision.outcomes
    ]
    return Table("lll", ("rule", "answer", "numbers"), rows)


def _quality(models: Sequence[Findings]) -> Table:
    rows = [
        _shares(f"accuracy on {models[0].report.n:,} test images", [model.report.accuracy for model in models]),
        _shares("recall of the worst digit", [model.worst_recall for model in models]),
        _shares("expected calibration error", [model.report.ece for model in models]),
        _shares("accuracy on corrupted images, mean", [fmean(model.corrupted.values()) for model in models]),
        _counts("bytes of the model file", [model.size_bytes for model in models]),
    ]
    return _comparison(f"on {models[0].dataset}", rows)


def _corrupted(models: Sequence[Findings]) -> Table:
    rows = [_shares(kind, [model.corrupted[kind] for model in models]) for kind in models[0].corrupted]
    return _comparison(f"accuracy on {models[0].corrupted_images}", rows)


def _shares(name: str, shares: Sequence[float]) -> list[str]:
    return [name, *map(_percent, shares), *(f"{100 * (shares[0] - theirs):+.2f} points" for theirs in shares[1:])]


def _counts(name: str, counts: Sequence[int]) -> list[str]:
    return [name, *(f"{count:,}" for count in counts), *(f"{counts[0] - theirs:+,}" for theirs in counts[1:])]


def _comparison(what: str, rows: Sequence[Sequence[str]]) -> Table:
    """A table of rows that hold the candidate's value, or the candidate's, the champion's and the difference."""
    header = (what, *ROLES, "difference")[: len(rows[0])]
    return Table("lrrr"[: len(header)], header, rows)


def _precisions(candidate: Findings) -> Table:
    header = ("precision", "accuracy", "calibration error", "other class than float32", "bytes", "us an image", "")
    rows = [
        (
            export.precision,
            _percent(export.accuracy),
            _percent(export.ece),
            f"{export.differ:,}",
            f"{export.size_bytes:,}",
            f"{1e6 * export.latency_s:.0f}",
            "chosen" if export.precision == candidate.precision else "",
        )
        for export in candidate.exports
    ]
    return Table("lrrrrrl", header, rows)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _pictures(models: Sequence[Findings]) -> Iterator[Block]:
    candidate = models[0]
    n, wrong, ece = candidate.report.n, len(candidate.wrong), candidate.report.ece
    if candidate.history:
        yield Picture(
            _LEARNING_CURVES,
            f"Learning curves: loss and share of images read wrong over {len(candidate.history)} epochs.",
            "Training is measured while it goes on, with any dropout and augmentation, so it can look worse than"
            " validation.",
            plots.png(plots.learning_curves, candidate.history),
        )
    yield Picture(
        _COMPARISON,
        f"Recall by digit and accuracy by corruption: {' and '.join(ROLES[: len(models)])}.",
        f"Recall on {n:,} test images, and accuracy on {candidate.corrupted_images}.",
        plots.png(plots.comparison, models),
    )
    yield Picture(
        _CONFUSION,
        f"Confusion matrix: {wrong:,} of {n:,} test images are off the diagonal.",
        f"The {n:,} test images by digit and answer; the {wrong:,} read wrong are coloured.",
        plots.png(plots.confusion, candidate.report.confusion),
    )
    yield Picture(
        _RELIABILITY,
        f"Reliability diagram: the expected calibration error is {_percent(ece)}.",
        "Test images in 15 bins of confidence. On the dashed line, confidence is accuracy; the fewer images a bin"
        " holds, the longer its interval.",
        plots.png(plots.reliability, Reliability.of(candidate), ece),
    )
    yield _mistakes(candidate)


def _mistakes(candidate: Findings) -> Block:
    worst = candidate.wrong[:WORST_MISTAKES]
    if not len(worst):
        return Paragraph("No test image was read wrong.")
    listed = ", ".join(f"{candidate.split.labels[index]} read as {candidate.answers[index]}" for index in worst)
    return Picture(
        _MISTAKES,
        f"Images read wrong: {listed}.",
        f"{len(worst)} of the {len(candidate.wrong):,} test images that were read wrong, the most confident first.",
        plots.png(plots.mistakes, candidate, worst),
    )
