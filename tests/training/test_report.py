"""The report: its numbers, its pictures, and that nothing from outside is read as markup."""

import base64
import re
import shlex
from dataclasses import asdict, replace
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from app.bundle import read
from tests.serving import ROOT
from training import plots, report
from training.config import TrainConfig
from training.corruptions import KINDS
from training.data import Dataset, Split
from training.document import Code, Heading, Paragraph, Table, to_html, to_markdown
from training.evaluate import evaluate
from training.findings import Findings, Reliability, examine
from training.gate import Decision, Outcome
from training.lineage import origin, repetition
from training.precisions import Export

HOSTILE = "a|b \\| <script>x</script> `*_[y](z)_*` &amp; #1 $2$\n\n# c"
SHOWN = " ".join(HOSTILE.split())
HISTORY = [{"accuracy": 0.9 + 0.03 * e, "loss": 0.3, "val_accuracy": 0.95, "val_loss": 0.2 / e} for e in range(1, 4)]
LINEAGE = {
    "dataset": "mnist",
    "data_sha256": "70b2",
    "git_commit": "0b7e52e",
    "git_dirty": False,
    "versions": {"python": "3.13.1", "keras": "3.15.1"},
    "train_config": asdict(TrainConfig(arch="cnn", epochs=12)),
}
DECISION = Decision(
    (
        Outcome("accuracy", True, 0.9, 0.8, "reads 0.9000 of 40 images right, at least 0.8"),
        Outcome("class recall", False, 0.5, 0.9, "reads 0.5000 of its worst digit, 3, right, at least 0.9 | less"),
        Outcome("size", False, 2, 1, "has 2 bytes, at most 1"),
    )
)
RANDOM = np.random.default_rng(0)
SPLIT = Split(RANDOM.integers(0, 256, (40, 28, 28), dtype=np.uint8), np.arange(40) % 10)


def found(answers, confidence, split=SPLIT, **changes):
    """Findings of a model that gives these answers with this confidence."""
    probabilities = np.repeat((1 - np.asarray(confidence, dtype=np.float32)[:, None]) / 9, 10, axis=1)
    probabilities[np.arange(len(answers)), answers] = confidence
    findings = Findings(
        name="cnn_mnist",
        version="2026.12.01-abcdef12",
        sha256="abcdef12",
        size_bytes=1234,
        dataset="mnist",
        lineage=LINEAGE,
        split=split,
        probabilities=probabilities,
        report=evaluate(lambda _: probabilities, split),
        corrupted={kind: 0.5 + 0.03 * place for place, kind in enumerate(KINDS)},
        corrupted_images="40 images",
    )
    return replace(findings, **changes)


def with_mistakes(mistakes, **changes):
    """Findings of a model that is wrong at these places with these confidences, and right elsewhere with 0.9."""
    answers, confidence = SPLIT.labels.copy(), np.full(len(SPLIT), 0.9)
    for place, sure in mistakes.items():
        answers[place], confidence[place] = (answers[place] + 1) % 10, sure
    return found(answers, confidence, **changes)


CANDIDATE = with_mistakes(
    {3: 0.6, 13: 0.95, 4: 0.8},
    history=HISTORY,
    exports=[Export("float32", 0.9, 0.01, 0, 1234, 50e-6), Export("int8", 0.89, 0.02, 4, 400, 40e-6)],
)
CHAMPION = with_mistakes(
    {8: 0.7},
    name="mlp_mnist",
    version="2026.11.01-01234567",
    size_bytes=234,
    corrupted=dict.fromkeys(KINDS, 0.6),
)
PERFECT = with_mistakes({}, corrupted=dict.fromkeys(KINDS, 1.0))
HOPELESS = found(
    np.zeros(40, dtype=int),
    np.full(40, 0.2),
    history=[{"accuracy": 0.0, "loss": np.nan, "val_accuracy": 1.0, "val_loss": np.nan}],
)


def written(folder, *arguments):
    report.write(folder, *arguments)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return written(tmp_path_factory.mktemp("report"), CANDIDATE, CHAMPION, DECISION)


@pytest.fixture(scope="module")
def markdown(files):
    return files["report.md"].decode()


class Page(HTMLParser):
    """What a browser would see of a page whose tags must close in order."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.images, self.texts = [], [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attributes))
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in {"h1", "h2", "p", "th", "td", "code", "figcaption"}:
            self.texts.append(data)


def cells(line):
    """The cells of a line of a GitHub table: split at pipes without a backslash, and what was escaped as it was."""
    split = [""]
    for escaped, plain in re.findall(r"\\([!-/:-@\[-`{-~])|(.)", line):
        if plain == "|":
            split.append("")
        else:
            split[-1] += escaped or plain
    first, *inner, last = split
    assert (first, last) == ("", "")
    return [cell.strip() for cell in inner]


def tables(markdown):
    """The rows of all tables, by their first cell. Each has as many cells as its table's header."""
    rows = {}
    for table in re.findall(r"(?:^\|.*\n?)+", markdown, re.MULTILINE):
        header, rule, *lines = map(cells, table.splitlines())
        assert all(re.fullmatch("---:?", cell) for cell in rule)
        assert {len(line) for line in (header, rule, *lines)} == {len(header)}
        rows |= {line[0]: line[1:] for line in lines}
    return rows


def test_markdown_links_every_picture_and_each_is_small(files, markdown):
    pictures = {name: content for name, content in files.items() if name.endswith(".png")}
    assert sorted(re.findall(r"!\[[^\]]+\]\(([^)]+)\)", markdown)) == sorted(pictures)
    assert set(files) - set(pictures) == {"report.md", "report.html"}
    assert len(pictures) == 5
    assert all(content.startswith(b"\x89PNG") and len(content) < 60_000 for content in pictures.values())
    assert sum(map(len, pictures.values())) < 250_000


def test_html_holds_every_picture_and_asks_nothing_of_the_network(files):
    page = Page(files["report.html"].decode())
    embedded = [base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) for image in page.images]
    assert sorted(embedded) == sorted(content for name, content in files.items() if name.endswith(".png"))
    assert all(image["alt"] for image in page.images)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert not re.search(r"https?:|url\(|@import", files["report.html"].decode())


def test_numbers_are_those_that_were_measured(markdown):
    rows = tables(markdown)
    ours, theirs = CANDIDATE.report, CHAMPION.report
    assert rows["accuracy on 40 test images"] == ["92.50 %", "97.50 %", "-5.00 points"]
    assert rows["recall of the worst digit"] == ["50.00 %", "75.00 %", "-25.00 points"]
    assert rows["expected calibration error"][:2] == [f"{100 * found.ece:.2f} %" for found in (ours, theirs)]
    assert rows["accuracy on corrupted images, mean"] == ["71.00 %", "60.00 %", "+11.00 points"]
    assert rows["bytes of the model file"] == ["1,234", "234", "+1,000"]
    assert [rows[kind][0] for kind in KINDS] == [f"{100 * CANDIDATE.corrupted[kind]:.2f} %" for kind in KINDS]
    assert rows["float32"] == ["90.00 %", "1.00 %", "0", "1,234", "50", "chosen"]
    assert rows["int8"][-1] == ""
    for outcome in DECISION.outcomes:
        assert f"The candidate {outcome.numbers}." in rows[outcome.rule]


def test_the_first_sentence_is_the_verdict(markdown):
    title, verdict = markdown.split("\n\n")[:2]
    assert title == "# cnn_mnist 2026.12.01-abcdef12"
    assert verdict.endswith(
        "fails the gate against the champion, mlp_mnist 2026.11.01-01234567, by class recall, size."
    )


def test_same_findings_give_the_same_files_whatever_the_user_likes(files, tmp_path):
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9}):
        assert written(tmp_path / "new" / "report", CANDIDATE, CHAMPION, DECISION) == files


def test_a_perfect_models_report_leaves_no_picture_of_the_one_before(files, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    found = written(tmp_path, PERFECT, None, Decision(DECISION.outcomes[:1]))
    assert set(files) - set(found) == {"learning_curves.png", "mistakes.png"}
    markdown = found["report.md"].decode()
    assert "No test image was read wrong." in markdown
    assert "cnn_mnist 2026.12.01-abcdef12 passes the gate: all 1 rules hold." in markdown
    assert tables(markdown)["accuracy on 40 test images"] == ["100.00 %"]


def test_words_from_outside_are_no_markup_and_a_hopeless_model_has_a_report(tmp_path):
    recall = [np.nan, *HOPELESS.report.class_recall[1:]]  # there is no zero
    lineage = {"dataset": HOSTILE, "keras_file": HOSTILE, HOSTILE: [HOSTILE]}
    candidate = replace(
        HOPELESS,
        **dict.fromkeys(("name", "version", "sha256", "dataset", "corrupted_images"), HOSTILE),
        lineage=lineage,
        report=replace(HOPELESS.report, class_recall=recall, worst_class_recall=np.nan),
    )
    files = written(tmp_path, candidate, CHAMPION)
    page, rows = Page(files["report.html"].decode()), tables(files["report.md"].decode())
    assert "script" not in page.tags
    assert {SHOWN, f"{SHOWN} {SHOWN}", f"No gate was asked about {SHOWN} {SHOWN}."} <= set(page.texts)
    assert rows[SHOWN] == rows["model_sha256"] == [SHOWN]
    assert rows["recall of the worst digit"] == ["0.00 %", "75.00 %", "-75.00 points"]


@given(texts=st.lists(st.text(), min_size=2, max_size=2))
@example(texts=[HOSTILE, "_a_ b_c __d__"])
@example(texts=["```\n````", "\\"])
def test_any_text_is_shown_as_it_is(texts):
    shown = [" ".join("".join(c if c.isprintable() else " " for c in text).split()) for text in texts]
    blocks = [Heading(texts[0]), Paragraph(texts[1]), Table("lr", texts, [texts])]
    assert Page(to_html(texts[0], blocks)).texts == [text for text in [shown[0], *shown, *shown, *shown] if text]
    lines = to_markdown(texts[0], blocks).splitlines()
    assert [cells(lines[place]) for place in (-3, -1)] == [shown, shown]
    assert not re.search(r"(?<!\\)[<>`*\[\]]", re.sub(r"\\\\", "", "".join(lines)))


@given(st.text(alphabet="a`~\n"))
def test_code_ends_where_it_ends(text):
    fence, *lines, end = to_markdown("", [Code(text)]).removeprefix("# \n\n").removesuffix("\n").split("\n")
    assert fence == end == "`" * len(fence)
    assert "\n".join(lines) == text
    assert not any(line.startswith(fence) for line in lines)


def test_worst_mistakes_come_first():
    assert CANDIDATE.wrong.tolist() == [13, 4, 3]


@st.composite
def any_answers(draw):
    n, random = draw(st.integers(10, 60)), np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = np.arange(n) % 10  # each digit must occur
    logits = draw(st.floats(0, 30)) * random.normal(size=(n, 10)) + 20 * np.eye(10)[labels] * random.integers(
        2, size=(n, 1)
    )
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)
    split = Split(np.zeros((n, 28, 28), dtype=np.uint8), labels)
    return replace(PERFECT, split=split, probabilities=probabilities, report=evaluate(lambda _: probabilities, split))


@given(any_answers())
@settings(deadline=None, max_examples=50)
def test_reliability_bins_are_those_of_the_calibration_error(findings):
    bins = Reliability.of(findings)
    filled = bins.counts > 0
    accuracy = bins.right[filled] / bins.counts[filled]
    gaps = np.abs(accuracy - bins.confidence[filled])
    assert bins.counts.sum() == findings.report.n
    assert gaps @ bins.counts[filled] / findings.report.n == pytest.approx(findings.report.ece, abs=1e-6)
    low, high = bins.interval().T
    assert ((low <= accuracy + 1e-12) & (accuracy <= high + 1e-12)).all()
    assert ((low >= -1e-12) & (high <= 1 + 1e-12)).all()


def test_reliability_counts_images_by_their_confidence():
    bins = Reliability.of(with_mistakes({0: 0.35, 1: 0.97, 2: 1.0, 3: 0.9}))
    assert {place: count for place, count in enumerate(bins.counts.tolist()) if count} == {5: 1, 13: 37, 14: 2}
    assert bins.right.tolist() == [0] * 13 + [36, 0]
    assert bins.confidence[[5, 13, 14]] == pytest.approx([0.35, 0.9, 0.985])


def test_interval_is_wilsons():
    bins = Reliability(np.array([0, 10]), np.array([0, 8]), np.array([np.nan, 0.8]))
    assert bins.interval() == pytest.approx(np.array([[0.4901625, 0.9433178]]), abs=1e-6)


@given(any_answers())
@settings(deadline=None, max_examples=5)
def test_any_answers_can_be_drawn(findings):
    plots.confusion(Figure(), findings.report.confusion)
    plots.reliability(Figure(), Reliability.of(findings), findings.report.ece)


def test_every_dot_is_on_its_axis_where_a_digit_is_missing():
    missing = replace(
        CANDIDATE, report=replace(CANDIDATE.report, class_recall=[np.nan, *CANDIDATE.report.class_recall[1:]])
    )
    figure = Figure()
    plots.comparison(figure, [missing, CHAMPION])
    for axes in figure.axes:
        left, right = axes.get_xlim()
        dots = np.concatenate([line.get_xdata() for line in axes.lines])
        assert left < np.nanmin(dots)
        assert np.nanmax(dots) <= 100 < right


@given(
    st.builds(
        TrainConfig,
        arch=st.sampled_from(["mlp", "cnn"]),
        epochs=st.integers(1, 99),
        learning_rate=st.floats(1e-8, 1),
        teacher=st.text(alphabet="a '\"$\\|`/.", max_size=9).filter(lambda path: not path.startswith("-")),
    )
)
def test_command_repeats_the_training_with_options_that_are_no_defaults(config):
    (code,) = repetition({"train_config": asdict(config), "git_commit": "0b7e", "git_dirty": False})
    checkout, command = code.text.split("\n", 1)
    python, dash_m, training, *words = shlex.split(command)
    assert (checkout, python, dash_m, training) == ("git checkout 0b7e", "python", "-m", "training")
    default = asdict(TrainConfig())
    given = {flag.removeprefix("--").replace("-", "_"): value for flag, value in zip(*[iter(words)] * 2, strict=True)}
    assert TrainConfig(**{name: type(default[name])(value) for name, value in given.items()}) == config
    assert all(asdict(config)[name] != default[name] for name in given)


@pytest.mark.parametrize(
    ("lineage", "said"),
    [
        ({"keras_file": "my model.h5", "dataset": "mnist"}, ["python -m training --from-keras 'my model.h5'"]),
        ({"keras_file": "m.h5", "dataset": "digits"}, ["python -m training --from-keras m.h5 --dataset digits"]),
        ({}, ["The lineage does not say how the model was trained."]),
        (
            {"train_config": asdict(TrainConfig()), "git_commit": "0b7e", "git_dirty": True},
            ["git checkout 0b7e\npython -m training", "Files differed from that commit, so it may not be enough."],
        ),
    ],
)
def test_what_repeats_a_model_follows_from_its_lineage(lineage, said):
    assert [block.text for block in repetition(lineage)] == said


def test_lineage_is_told_in_words():
    lineage = LINEAGE | {"mlflow_run_id": None, "extra": {"used": 2, "dropped": {"in_test": 1}, "counts": [1, 1]}}
    facts, options = origin("abcdef12", lineage)
    shown = dict(facts.rows)
    assert "train_config" not in shown
    assert shown["model_sha256"] == "abcdef12"
    assert shown["versions"] == "python 3.13.1, keras 3.15.1"
    assert (shown["mlflow_run_id"], shown["git_dirty"]) == ("none", "no")
    assert shown["extra"] == "used 2, dropped (in_test 1), counts (1, 1)"
    assert ("--epochs", "12", "5") in options.rows
    assert len(options.rows) == len(asdict(TrainConfig()))


def test_examine_measures_a_bundle_on_the_test_split():
    champion = read(ROOT / "deploy" / "model")
    images = np.array([case.image for case in champion.golden.cases]).reshape(-1, 28, 28) * 255
    test = Split(images.round().astype(np.uint8), np.array([case.label for case in champion.golden.cases]))
    validation = Split(255 - test.images, test.labels)
    findings = examine(champion, Dataset("mnist", test, validation, test, "sum"), history=HISTORY)
    assert findings.split is test
    assert findings.report.accuracy == 1
    expected = np.array([case.probabilities for case in champion.golden.cases])
    assert findings.probabilities == pytest.approx(expected, abs=champion.golden.tolerance)
    assert (findings.sha256, findings.size_bytes) == (champion.manifest.sha256, champion.manifest.model["bytes"])
    assert list(findings.corrupted) == list(KINDS)
    assert findings.corrupted["shear"] < 0.5
    assert findings.corrupted_images == "10 validation images, severity 3 of 5"
    assert findings.history == HISTORY
