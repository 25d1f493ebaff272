"""The verdict of a soak on a series, without any load. With it: tests/load."""

import pytest

from loadtests import objectives, soak

WANTED = objectives.Workers(memory_growth=0.02, latency_drift=1.5, more_fds=2)
LAST = soak.POINTS - 1


def series(resident_mb=lambda _: 50.0, fds=lambda _: 60.0, mean_ms=lambda _: 3.0, pids=lambda _: (1, 2)):
    """A series by functions of the point's number."""
    return [
        soak.Point({pid: resident_mb(at) for pid in pids(at)}, fds(at), 100, mean_ms(at)) for at in range(soak.POINTS)
    ]


def test_flat_series_passes():
    assert soak.judge(series(), WANTED).exit_code == 0


def test_growth_in_the_warm_up_is_none():
    warm = series(resident_mb=lambda at: min(50, 45 + at), mean_ms=lambda at: max(3, 20 - 5 * at))
    assert soak.judge(warm, WANTED).exit_code == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"resident_mb": lambda at: 50 + at * 0.05}, "FAILED: memory growth +2.39%, not <= +2.00%"),
        ({"fds": lambda at: 60 + at // 4}, "FAILED: more open files +4, not <= +2"),
        ({"mean_ms": lambda at: 3 + at * 0.15}, "FAILED: latency drift 1.60 times, not <= 1.50 times"),
        ({"pids": lambda at: (1, 2) if at < LAST else (1, 3)}, "FAILED: replaced workers in 1 points"),
        ({"pids": lambda at: (1, 2) if at < LAST else ()}, "FAILED: replaced workers in 1 points"),
    ],
)
def test_change_after_the_warm_up_fails(change, reason):
    found = soak.judge(series(**change), WANTED)
    assert found.exit_code == 1
    assert [one for one in found.reasons if one.startswith(reason)], found.reasons
