"""The guard of what a request costs: unchanged code passes, a service that is 30 % slower does not."""

import pytest

from loadtests.bench import guard
from loadtests.bench.guard import Measured, Record, Slice
from tests.bench.faulty import SLOWER


def test_planted_slowdown_is_seen_and_unchanged_code_is_not():
    """Judged beside what was measured just before, so that it is this machine's."""
    record = Record(guard.measure().ratio, Record.read().band)
    unchanged, slower = guard.measure(), guard.measure("tests.bench.faulty:slower()")
    assert guard.judge(unchanged, record)[0] == 0, (record, str(unchanged))
    assert guard.judge(slower, record)[0] == 1, (record, str(slower))
    assert slower.ratio > unchanged.ratio * (1 + SLOWER / 2)


@pytest.fixture
def judged():
    """A function that judges a service of a cost beside a constant of 100 us, recorded as twice as cheap."""

    def judge(cost_us, waited_us=0):
        measured = Measured([Slice(cost_us, waited_us)] * guard.SLICES, [Slice(100, waited_us)] * guard.SLICES)
        return guard.judge(measured, Record(2, 0.15))

    return judge


@pytest.mark.parametrize(
    ("cost_us", "code", "said"),
    [(200, 0, "PASSED"), (229, 0, "PASSED"), (231, 1, "FAILED"), (170, 0, "has become cheaper")],
)
def test_band(judged, cost_us, code, said):
    found, text = judged(cost_us)
    assert found == code
    assert said in text


def test_dear_slices_do_not_count_and_the_cheapest_do():
    cheap, dear = [Slice(200, 0)] * guard.CHEAPEST, [Slice(900, 0)] * (guard.SLICES - guard.CHEAPEST)
    assert Measured(dear + cheap, [Slice(100, 0)] * guard.SLICES).ratio == 2


def test_machine_that_does_something_else_gives_no_verdict_and_no_pass(judged):
    code, text = judged(300, waited_us=400)
    assert code == 1
    assert text.startswith("NO VERDICT")


def test_recording_keeps_the_comments(tmp_path, monkeypatch):
    path = tmp_path / "guard.toml"
    path.write_text(guard.RECORD.read_text())
    monkeypatch.setattr(guard, "RECORD", path)
    Record(3.14159, 0.15).write()
    assert Record.read() == Record(3.14, 0.15)
    assert path.read_text().count("#") == guard.RECORD.read_text().count("#") > 0
