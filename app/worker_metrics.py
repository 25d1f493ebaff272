"""What is known of the worker processes: how many, and what they cost. Imports no other module of app."""

import gc
import os
from pathlib import Path
from time import perf_counter, process_time

from prometheus_client import CollectorRegistry, Counter, Gauge

_GENERATIONS = ("0", "1", "2")
EXITS = ("ended", "crashed")


class WorkerMetrics:
    """Figures of one worker process, which it takes each second, summed over the workers by whoever scrapes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._workers = Gauge("mnist_workers", "Worker processes alive", multiprocess_mode="livesum", registry=registry)
        self._exits = Counter("mnist_worker_exits_total", "Workers that ended, and how", ("reason",), registry=registry)
        self._cpu = Counter("mnist_worker_cpu_seconds_total", "CPU seconds of all workers", registry=registry)
        self._memory = Gauge(
            "mnist_worker_resident_memory_bytes",
            "Resident memory, summed over the workers, who share some of it",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._open_fds = Gauge(
            "mnist_worker_open_fds",
            "Open file descriptors of the worker with the most",
            multiprocess_mode="livemax",
            registry=registry,
        )
        collections = Counter(
            "mnist_worker_gc_collections_total",
            "Garbage collections, by generation",
            ("generation",),
            registry=registry,
        )
        pauses = Counter(
            "mnist_worker_gc_pause_seconds_total",
            "Seconds in which garbage collection stopped a worker, by generation",
            ("generation",),
            registry=registry,
        )
        self._collections = [collections.labels(generation) for generation in _GENERATIONS]
        self._pauses = [pauses.labels(generation) for generation in _GENERATIONS]
        for reason in EXITS:
            self._exits.labels(reason)

    def exited(self, reason: str) -> None:
        """Count a worker that ended. The arbiter calls this."""
        self._exits.labels(reason).inc()

    def start(self) -> None:
        """Begin with the figures of this process: a worker calls this once, after the fork."""
        self._cpu_before = 0.0
        self._collected, self._paused = [0, 0, 0], [0.0, 0.0, 0.0]
        gc.callbacks.append(self._collecting)
        self._workers.set(1)
        self.update()

    def update(self) -> None:
        """Take the figures anew."""
        cpu = process_time()
        self._cpu.inc(cpu - self._cpu_before)
        self._cpu_before = cpu
        self._memory.set(_resident_bytes())
        self._open_fds.set(len(os.listdir("/dev/fd")))  # noqa: PTH208  # half the time of Path.iterdir
        for generation in range(3):
            self._collections[generation].inc(self._collected[generation])
            self._pauses[generation].inc(self._paused[generation])
        self._collected, self._paused = [0, 0, 0], [0.0, 0.0, 0.0]

    def _collecting(self, phase: str, info: dict[str, int]) -> None:
        # Plain numbers only: a collection may begin while this thread holds the lock of a metric.
        if phase == "start":
            self._collection_start = perf_counter()
        else:
            self._collected[info["generation"]] += 1
            self._paused[info["generation"]] += perf_counter() - self._collection_start


def _resident_bytes() -> int:
    """Resident memory of this process; 0 where there is no /proc."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
