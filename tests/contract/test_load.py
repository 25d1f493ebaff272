"""The verdict of a load, its objectives and its payloads, without any load. With it: tests/load."""

import re
from collections import Counter
from dataclasses import asdict

import pytest

from app import model
from app.config import Settings
from app.main import create_app
from loadtests import objectives, payloads, verdict
from loadtests.figures import Figures
from loadtests.verdict import Generator
from tests.serving import CHAMPION, ROOT

WANTED = objectives.Objectives(rate=100, duration_s=10, p50_ms=20, p95_ms=40, p99_ms=50, failures=0.001, throughput=90)
# 1000 requests in 10 s, half of them in 10 ms, 1 % in 45.
TIMES = Counter({10: 500, 15: 450, 30: 40, 45: 10})


def judged(failed=0, seconds=10.0, generator=None, **times):
    figures = Figures(TIMES.total(), failed, seconds, times.get("times", TIMES))
    return verdict.judge("steady", figures, WANTED, generator or Generator(), Counter({"wrong digit": failed}))


def test_figures_within_all_objectives_pass():
    found = judged()
    assert found.exit_code == 0
    assert str(found).endswith("\nPASSED")
    assert [row.figure for row in found.rows] == [10, 15, 30, 0, 100]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"times": Counter({21: 1000})}, "FAILED: p50 21 ms, not <= 20 ms"),
        ({"times": Counter({10: 940, 41: 60})}, "FAILED: p95 41 ms, not <= 40 ms"),
        ({"times": Counter({10: 980, 51: 20})}, "FAILED: p99 51 ms, not <= 50 ms"),
        ({"failed": 2}, "FAILED: failures 0.20%, not <= 0.10%"),
        ({"seconds": 11.5}, "FAILED: throughput 87.0 a second, not >= 90.0 a second"),
    ],
)
def test_figure_beyond_its_objective_fails_alone(change, reason):
    found = judged(**change)
    assert (found.exit_code, found.reasons) == (1, (reason,))
    assert str(found).count("FAILED") == 2


def test_zero_requests_fail():
    found = verdict.judge("steady", Figures(0, 0, 0.0, Counter()), WANTED, Generator(), Counter())
    assert (found.exit_code, found.reasons) == (1, ("FAILED: not one request was made",))


@pytest.mark.parametrize("generator", [Generator(cpu=0.95), Generator(late_ms=26)])
def test_busy_generator_gives_no_verdict_even_where_all_figures_hold(generator):
    found = judged(generator=generator)
    assert found.exit_code == 1
    (reason,) = found.reasons
    assert reason.startswith("NO VERDICT: the load generator was the bottleneck: it ")


def test_busy_generator_is_to_blame_for_times_but_not_for_wrong_digits():
    slow, wrong = (judged(generator=Generator(cpu=0.95), **change) for change in ({"seconds": 20.0}, {"failed": 5}))
    assert len(slow.reasons) == 1
    assert wrong.reasons[0] == "FAILED: failures 0.50%, not <= 0.10%"


def test_percentiles_are_those_of_every_time():
    figures = Figures(100, 0, 1.0, Counter(range(1, 101)))
    assert [figures.percentile_ms(share) for share in (0.5, 0.95, 0.99, 1)] == [50, 95, 99, 100]


def test_figures_since_earlier_ones_are_of_that_time_alone():
    earlier, later = Figures(10, 1, 5.0, Counter({10: 10})), Figures(30, 1, 10.0, Counter({10: 15, 20: 15}))
    assert later.since(earlier) == Figures(20, 0, 5.0, Counter({10: 5, 20: 15}))


@pytest.mark.parametrize("shape", objectives.SHAPES)
def test_every_shape_has_objectives_no_weaker_than_the_charts(shape):
    found = objectives.read(shape)
    rules = (ROOT / "helm" / "mnist-api" / "files" / "alerts.yaml").read_text()
    (within_s,) = set(re.findall(r'duration_seconds_bucket{[^}]*, le="([0-9.]+)"', rules))
    assert found.p99_ms <= 1000 * float(within_s)
    assert found.failures <= 0.001
    assert found.throughput > 0
    assert found.p50_ms <= found.p95_ms <= found.p99_ms


def test_duration_that_is_given_stands_in_place_of_the_files():
    assert asdict(objectives.read("soak", duration_s=180)) == asdict(objectives.read("soak")) | {"duration_s": 180}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[steady]\nrate = 1", "must have rate, duration_s"),
        ("[other]\nrate = 1", "has no table [steady]. It has: other"),
        ("steady", "slo.toml: "),
        ("[steady]\n" + "".join(f"{name} = -1\n" for name in asdict(WANTED)), "rate = -1: this must be a number"),
    ],
)
def test_wrong_file_of_objectives_is_one_message(tmp_path, text, reason):
    path = tmp_path / "slo.toml"
    path.write_text(text)
    with pytest.raises(objectives.ObjectivesError) as raised:
        objectives.read("steady", path)
    assert reason in str(raised.value)


def test_absent_file_of_objectives_is_one_message(tmp_path):
    with pytest.raises(objectives.ObjectivesError, match="No such file"):
        objectives.read("steady", tmp_path / "slo.toml")


@pytest.fixture(scope="module")
def client():
    return create_app(Settings(), model.load(CHAMPION)).test_client()


def test_champion_reads_every_payload_right(client):
    """Or an honest service would fail."""
    sent = payloads.singles() + payloads.batches()
    assert {payload.digits[0] for payload in payloads.singles()} == set(range(10))
    for payload in sent:
        answer = client.post("/predict", data=payload.body, content_type="application/json")
        assert payload.failure(answer.data) == ""


@pytest.mark.parametrize("payload", [payloads.singles()[3], payloads.batches()[7]])
def test_answer_with_another_digit_is_a_wrong_one(client, payload):
    answer = client.post("/predict", data=payload.body, content_type="application/json").data
    assert payload.failure(answer) == ""
    for digit in range(10):
        wrong = answer.replace(b'"prediction":%d' % payload.digits[0], b'"prediction":%d' % digit, 1)
        assert payload.failure(wrong) == ("" if digit == payload.digits[0] else "wrong digit")


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b"7", b'{"error": {}}', b'{"predictions": [1]}'])
def test_answer_without_a_prediction_fails(answer):
    assert payloads.singles()[0].failure(answer) == "an answer without a prediction"
