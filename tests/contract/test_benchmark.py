"""The benchmark's page, pins and goals: what needs no peer to run."""

import json
import re

import pytest

from loadtests.bench import goals, page, questions, results
from loadtests.bench.catalogue import CATALOGUE, FLOOR, PEERS_FOLDER, SERVICE
from loadtests.bench.guard import Record
from loadtests.payloads import GOLDEN
from tests.bench.faulty import SLOWER
from tests.serving import ROOT
from training import pages

PINNED = [peer for peer in CATALOGUE if not peer.left_out]


def test_the_page_shows_what_was_measured():
    measured = json.loads(results.FIGURES.read_text())
    assert pages.shown(page.PAGE, page.BEGIN) == page.text(measured)
    assert results.FIGURES.with_suffix(".svg").exists()
    assert {one["name"] for one in measured["peers"]} == {peer.name for peer in CATALOGUE}


def test_commands_of_the_page_are_there():
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"`make ([a-z0-9-]+)", page.PAGE.read_text()))
    assert {"bench", "bench-guard", "test-bench", "lock-bench"} <= named <= targets


@pytest.mark.parametrize("peer", PINNED, ids=lambda peer: peer.name)
def test_pins_are_exact_and_hashed_and_name_the_version_that_is_shown(peer):
    text = peer.requirements.read_text()
    assert "://" not in text
    pins = re.findall(r"^[a-z0-9._-]+(?:\[[a-z,]+\])?==\S+(?: ; .*?)?\s+\\\n +--hash=sha256:[0-9a-f]{64}", text, re.M)
    assert len(pins) == len(re.findall(r"^[a-z]", text, re.M)) > 5
    assert results.version(peer.name, text) or peer.name == SERVICE


def test_each_folder_of_pins_belongs_to_a_peer():
    folders = {path.parent.name for path in PEERS_FOLDER.glob("*/requirements.in")}
    assert folders == {peer.name for peer in PINNED if peer.is_peer}


def test_each_image_of_a_batch_is_checked():
    cases = json.loads(GOLDEN.read_text())["cases"]
    right = [{"prediction": case["label"], "probabilities": case["probabilities"]} for case in cases]
    (batch,) = questions.batch(20)
    assert batch.failure(json.dumps({"predictions": right * 2}).encode()) == ""
    wrong = [*(right * 2)[:-1], right[0]]
    assert batch.failure(json.dumps({"predictions": wrong}).encode()) == "the digit 0 for an image of 9"
    assert batch.failure(json.dumps({"predictions": right}).encode()).startswith("an answer that cannot be read")


def entry(name, cpu_us, **figures):
    one = {
        "name": name,
        "title": name,
        "version": "1",
        "cpu_us": [cpu_us] * 3,
        "throughput": [1000.0] * 3,
        "equal_p50_ms": [1.0],
        "equal_p99_ms": [2.0],
        "memory_mb": [50.0, 60.0, 50.0],
        "start_s": [0.5],
        "installed_mb": 100.0,
        "requests": 1000,
        "disqualified": "",
    }
    return one | figures


@pytest.fixture
def measured():
    """Figures that reach every goal."""
    costs = {SERVICE: 100, FLOOR: 80, "fastapi": 200, "mlserver": 300, "kserve": 250, "mlflow": 1e4}
    return {
        "rounds": 3,
        "machine": "a machine",
        "python": "3.13",
        "peers": [entry(name, cost) for name, cost in costs.items()],
        "alone": {"two_workers": {"ratio": [1.9]}, "batch": {"single": [1.0], "batch": [2.0], "bytes": [4.0]}},
    }


def peer(measured, name):
    return next(one for one in measured["peers"] if one["name"] == name)


def test_goals_that_are_reached_pass(measured):
    verdict = goals.judge(measured)
    assert (verdict.exit_code, len(verdict.rows)) == (0, 10)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("fastapi", {"cpu_us": [149] * 3}, "best, fastapi 1.49 times"),
        ("mlserver", {"cpu_us": [240] * 3}, "mlserver 2.40 times"),
        ("mlflow", {"cpu_us": [9e3] * 3}, "mlflow 90.00 times"),
        (FLOOR, {"cpu_us": [70] * 3}, "over gunicorn 1.43 times"),
        (SERVICE, {"start_s": [1.1]}, "start 1.10 s"),
        (SERVICE, {"memory_mb": [90, 90, 81]}, "a worker 81 MB"),
    ],
)
def test_goal_that_is_missed_fails_and_says_which(measured, name, change, reason):
    peer(measured, name).update(change)
    verdict = goals.judge(measured)
    assert verdict.exit_code == 1
    assert verdict.reasons[0].startswith(f"FAILED: {reason}, not ")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"two_workers": {"ratio": [1.7]}}, "two workers 1.70 times"),
        ({"batch": {"single": [1.0], "batch": [1.9], "bytes": [4.0]}}, "batch of 100 1.90 times"),
        ({"batch": {"single": [1.0], "batch": [2.0], "bytes": [3.9]}}, "100 as bytes 3.90 times"),
    ],
)
def test_goal_of_the_service_alone_that_is_missed_fails(measured, change, reason):
    measured["alone"] |= change
    assert goals.judge(measured).reasons[0].startswith(f"FAILED: {reason}, not ")


def test_less_than_15_percent_apart_is_a_tie(measured):
    for cost, is_tie in ((114, True), (116, False), (88, True), (86, False)):
        peer(measured, "fastapi")["cpu_us"] = [cost] * 3
        assert results.cost(measured, "fastapi").is_tie == is_tie, cost
        assert (" tie |" in page.table(measured)) == is_tie


def test_ratio_is_taken_round_by_round_and_shows_its_quartiles():
    assert str(results.Ratio.of([20, 60, 90], [10, 20, 30])) == "3.00 (2.50 to 3.00)"


def test_disqualified_peer_is_in_no_row_and_no_goal_and_named_with_the_reason(measured):
    peer(measured, "fastapi")["disqualified"] = "of its answers, 9 right, 1 wrong"
    measured["peers"].append({"name": "x", "title": "x", "left_out": "it is not to be had"})
    text = page.text(measured)
    assert "| fastapi |" not in text
    assert "- fastapi is disqualified: of its answers, 9 right, 1 wrong\n- x is left out: it is not to be had" in text
    assert results.best_peer(measured) == "kserve"


def test_band_of_the_guard_is_well_below_what_is_planted():
    assert 0 < Record.read().band <= SLOWER / 2
