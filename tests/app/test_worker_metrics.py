"""The figures of one worker process, taken in this one."""

import gc
from time import process_time

import pytest
from prometheus_client import CollectorRegistry

from app.worker_metrics import WorkerMetrics


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def worker(registry):
    before = list(gc.callbacks)
    figures = WorkerMetrics(registry)
    figures.start()
    yield figures
    gc.callbacks[:] = before


def test_cpu_is_the_process_own_however_often_it_is_taken(worker, registry):
    for _ in range(10):
        worker.update()
    counted = registry.get_sample_value("mnist_worker_cpu_seconds_total")
    assert counted == pytest.approx(process_time(), rel=0.05)


@pytest.mark.parametrize("generation", [0, 1, 2])
def test_collections_are_counted_with_their_time(worker, registry, generation):
    labels = {"generation": str(generation)}

    def values():
        names = ("mnist_worker_gc_collections_total", "mnist_worker_gc_pause_seconds_total")
        return [registry.get_sample_value(name, labels) for name in names]

    before = values()
    for _ in range(3):
        gc.collect(generation)
    worker.update()
    worker.update()
    collections, pause_s = (after - was for after, was in zip(values(), before, strict=True))
    assert collections >= 3
    assert pause_s > 0
