"""What this service should reach beside its peers, in one run. Standard library only."""

import statistics
from collections.abc import Iterator
from typing import Any

from loadtests.bench.catalogue import FLOOR, SERVICE
from loadtests.bench.results import best_peer, by_name, cost
from loadtests.verdict import Row, Verdict

BEST_PEER, SERVERS, NAIVE = 1.5, 2.5, 100
FLOOR_COST = 1.4
TWO_WORKERS = 1.8
# Ten was aimed at while a single image cost 850 us. At less than 200, what is saved is not there to be saved twice.
BATCH, BATCH_OF_BYTES = 2, 4
START_S, WORKER_MB = 1.0, 80
TIMES = "{:,.2f} times"


def judge(measured: dict[str, Any]) -> Verdict:
    """Put what was measured beside the goals; of peers that were not measured there is none."""
    rows = (*_dearer(measured), *_floor(measured), *_alone(measured))
    requests = sum(one["requests"] for one in by_name(measured).values())
    return Verdict("This service beside its peers", rows, requests)


def _dearer(measured: dict[str, Any]) -> Iterator[Row]:
    """How many times this service's cost others are."""
    best = best_peer(measured)
    wanted = {best: BEST_PEER} if best else {}
    for name, times in (*wanted.items(), ("mlserver", SERVERS), ("kserve", SERVERS)):
        if name in by_name(measured):
            label = f"best, {name}" if times == BEST_PEER else name
            yield Row(label, cost(measured, name).median, ">=", times, TIMES)
    for name in ("flask_tensorflow", "mlflow"):
        if name in by_name(measured):
            yield Row(name, cost(measured, name).median, ">=", NAIVE, TIMES)


def _floor(measured: dict[str, Any]) -> Iterator[Row]:
    if FLOOR in by_name(measured):
        yield Row("over gunicorn", 1 / cost(measured, FLOOR).median, "<=", FLOOR_COST, TIMES)


def _alone(measured: dict[str, Any]) -> Iterator[Row]:
    service, alone = by_name(measured)[SERVICE], measured["alone"]
    if alone:
        images = {form: statistics.median(figures) for form, figures in alone["batch"].items()}
        yield Row("two workers", statistics.median(alone["two_workers"]["ratio"]), ">=", TWO_WORKERS, TIMES)
        yield Row("batch of 100", images["batch"] / images["single"], ">=", BATCH, TIMES)
        yield Row("100 as bytes", images["bytes"] / images["single"], ">=", BATCH_OF_BYTES, TIMES)
    yield Row("start", statistics.median(service["start_s"]), "<=", START_S, "{:.2f} s")
    yield Row("a worker", service["memory_mb"][2], "<=", WORKER_MB, "{:.0f} MB")
