"""The model card shows the evidence, and speaks of the champion that is committed."""

import json
import re
from statistics import fmean, stdev

import pytest

from app import bundle
from tests.serving import CHAMPION, ROOT
from training import card, pages
from training.config import TrainConfig

PAGE = card.PAGE.read_text()
EVIDENCE = card.read()


def test_card_shows_the_evidence():
    assert pages.shown(card.PAGE, card.BEGIN) == card.tables(EVIDENCE)


def test_evidence_is_of_ten_seeds_of_the_best_network_and_several_of_the_others():
    seeds = {name: len(one["runs"]) for name, one in EVIDENCE.items()}
    assert seeds["cnn6"] >= 10
    assert min(seeds.values()) >= 2
    assert all(one["dataset"] == "mnist" for one in EVIDENCE.values())
    for one in EVIDENCE.values():
        assert len({run["seed"] for run in one["runs"]}) == len(one["runs"])
        TrainConfig(**one["recipe"])


@pytest.mark.parametrize("name", EVIDENCE)
def test_card_gives_the_command_of_each_recipe(name):
    """Every option that is not the default, so that whoever runs it trains what was measured."""
    defaults = TrainConfig()
    recipe = {key: value for key, value in EVIDENCE[name]["recipe"].items() if value != getattr(defaults, key)}
    wanted = {f"--{key.replace('_', '-')} {value}" for key, value in recipe.items() if key != "teacher"}
    if "teacher" in recipe:
        wanted.add("--teacher TEACHER")
    (command,) = re.findall(rf"^{name}: (--.*)$", PAGE, re.M)
    assert {f"--{option.strip()}" for option in command.split("--")[1:]} == wanted


def test_spread_is_mean_deviation_and_worst():
    values = [0.99, 0.97, 0.98]
    runs = [
        {
            "parameters": 1234,
            **{
                precision: dict.fromkeys((measure for measure, _ in card.COLUMNS.values()), value)
                | {"test_class_recall": [value] * 10}
                for precision in card.PRECISIONS
            },
        }
        for value in values
    ]
    quality, recall = card.tables({"x": {"runs": runs}}).split("\n\n")
    spread = f"{100 * fmean(values):.3f} ± {100 * stdev(values):.3f} %"
    cells = [f"{spread} (97.00)"] * 3 + [f"{spread} (99.00)", f"{spread} (97.00)"]
    assert quality.splitlines()[2] == f"| x | 1,234 | float32 | 3 | {' | '.join(cells)} |"
    assert recall.splitlines()[2] == f"| x | {' | '.join(['98.00%'] * 10)} |"


def test_card_speaks_of_the_champion():
    manifest = bundle.read(CHAMPION).manifest
    assert f"`{manifest.sha256[:8]}`" in PAGE
    accuracy, ece = manifest.metrics["accuracy"], manifest.metrics["ece"]
    assert f"reads {accuracy:.2%} of the test images" in PAGE
    assert f"calibration error of {ece:.2%}" in PAGE


def test_cards_table_of_precisions_is_the_reports():
    report = (ROOT / "deploy" / "report" / "report.md").read_text()
    rows = re.findall(r"^\| (?:float32|float16|int8) \| \d.*$", report, re.M)
    assert len(rows) == 3
    assert all(row in PAGE.splitlines() for row in rows)


def test_report_is_of_the_champion():
    title = (ROOT / "deploy" / "report" / "report.md").read_text().splitlines()[0]
    manifest = json.loads((CHAMPION / "manifest.json").read_text())
    assert title == f"# {manifest['name']} {manifest['version']}"
