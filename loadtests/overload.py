"""More than the service can answer: what comes of it with admission control and without. `make overload`; for Linux.

One worker on one core, the load on another. What the worker can answer is measured first; then multiples of that are
offered. Writes what was measured, for the plot, and gives 0 if the service bent as it should.
"""

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from loadtests import payloads
from loadtests.footprint import resident_mb
from loadtests.observability import cpu_ns
from loadtests.open_loop import Generator, Offered, percentile_ms, requests
from loadtests.service import ROOT, Service
from loadtests.verdict import Row, Verdict

RESULTS = ROOT / "docs" / "overload" / "figures.json"
MULTIPLES = (0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0)
SECONDS = 5.0
CONNECTIONS = 300
CORES = sorted(os.sched_getaffinity(0))
PROBE_S = 0.5
UNLIMITED = {"queue_requests": 10**9, "queue_ms": 10**9}
P99_MS = 50.0
# A refusal costs a worker a sixth of an answer, half of it in the kernel, and there are three of them to an answer.
GOODPUT = 0.65
RECOVERY_S = 2.0


@dataclass
class Probes:
    """How long liveness and metrics took to answer, at the worst, in milliseconds."""

    worst_ms: dict[str, float]


@dataclass(frozen=True)
class Worker:
    """What a worker took: seconds of CPU, and megabytes of memory at the end."""

    cpu_s: float
    resident_mb: float


@contextmanager
def probed(service: Service) -> Iterator[Probes]:
    """Ask for liveness and metrics all the time, each time on a new connection."""
    found, stopped = Probes({"live": 0.0, "metrics": 0.0}), threading.Event()

    def run() -> None:
        while not stopped.wait(PROBE_S):
            for name, path, port in (
                ("live", "/health/live", service.port),
                ("metrics", "/metrics", service.metrics_port),
            ):
                begun = perf_counter()
                service.get(path, port)
                found.worst_ms[name] = max(found.worst_ms[name], (perf_counter() - begun) * 1000)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield found
    finally:
        stopped.set()
        thread.join()


def figures(multiple: float, rate: float, offered: Offered, probes: Probes, worker: Worker) -> dict[str, Any]:
    """One point of the plot."""
    return {
        "multiple": multiple,
        "offered": round(rate),
        "goodput": round(offered.goodput),
        "goodput_a_cpu_second": round(offered.outcomes["right"] / worker.cpu_s),
        "answered_p50_ms": round(percentile_ms(offered.right_s, 0.5), 1),
        "answered_p99_ms": round(percentile_ms(offered.right_s, 0.99), 1),
        "refused": offered.outcomes["503"],
        "refused_p50_ms": round(percentile_ms(offered.refused_s, 0.5), 1) if offered.refused_s else None,
        "unanswered": offered.outcomes["unanswered"],
        "worst_live_ms": round(probes.worst_ms["live"], 1),
        "worst_metrics_ms": round(probes.worst_ms["metrics"], 1),
        "resident_mb": round(worker.resident_mb, 1),
        "worker_cpu": round(worker.cpu_s / offered.seconds, 2),
        "generator_cpu": round(offered.cpu_share, 2),
    }


def capacity(service: Service, generator: Generator) -> float:
    """Requests a second that one core can answer, by the CPU that each takes when there are some at a time."""
    (worker,) = service.workers()
    generator.offer(500, 2)
    before = cpu_ns(worker)
    answered = generator.offer(500, 4).outcomes["right"]
    return answered / (cpu_ns(worker) - before) * 1e9


def series(settings: dict[str, Any], rate: float) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Offer each multiple of a rate to a service; give what came of each, and of half the rate right after the last."""
    service, generator = start(settings)
    (worker,) = service.workers()
    points = []
    try:
        generator.offer(rate / 2, 2)
        for multiple in MULTIPLES:
            before = cpu_ns(worker)
            with probed(service) as probes:
                offered = generator.offer(multiple * rate, SECONDS)
            took = Worker((cpu_ns(worker) - before) / 1e9, resident_mb(worker))
            points.append(figures(multiple, multiple * rate, offered, probes, took))
            print(
                "  {multiple:4} offered {offered:6,} a second: {goodput:5,} right, p99 {answered_p99_ms} ms, "
                "{refused:,} refused, p50 {refused_p50_ms} ms".format(**points[-1]),
                flush=True,
            )
        generator.offer(rate / 2, RECOVERY_S)
        after = generator.offer(rate / 2, RECOVERY_S)
        recovered = {"failed": after.failed, "p99_ms": round(percentile_ms(after.right_s, 0.99), 1)}
        return points, recovered | {"replaced_workers": int(service.workers() != [worker])}
    finally:
        generator.close()
        service.stop()


def start(settings: dict[str, Any]) -> tuple[Service, Generator]:
    """A service of one worker on the first core, and a generator on the last."""
    os.sched_setaffinity(0, CORES[:1])
    service = Service(workers=1, **settings)
    os.sched_setaffinity(0, CORES[-1:])
    return service, Generator(service.port, requests(payloads.singles()), CONNECTIONS)


def judge(points: list[dict[str, Any]], recovered: dict[str, Any]) -> Verdict:
    """Put what came of the highest multiple beside what it should be."""
    worst, peak = points[-1], max(points, key=lambda point: point["goodput"])
    before = points[0]["resident_mb"]
    # By the worker's CPU: what else this machine does meanwhile is not the service's fault.
    share = worst["goodput_a_cpu_second"] / peak["goodput_a_cpu_second"]
    rows = (
        Row("goodput", share, ">=", GOODPUT, "{:.0%} of peak"),
        Row("p99 answered", worst["answered_p99_ms"], "<=", P99_MS),
        Row("p50 refused", worst["refused_p50_ms"] or 0, "<=", 10),
        Row("unanswered", worst["unanswered"], "<=", 0, "{:,.0f}"),
        Row("liveness", worst["worst_live_ms"], "<=", 1000),
        Row("metrics", worst["worst_metrics_ms"], "<=", 1000),
        Row("memory growth", worst["resident_mb"] / before - 1, "<=", 0.05, "{:+.1%}"),
        Row("failed after", recovered["failed"], "<=", 0, "{:,.0f}"),
        Row("p99 after", recovered["p99_ms"], "<=", P99_MS),
        Row("replaced workers", recovered["replaced_workers"], "<=", 0, "{:.0f}"),
    )
    title = f"{worst['multiple']:g} times what can be answered, and {RECOVERY_S:g} s after it"
    return Verdict(title, rows, worst["offered"])


def main() -> int:
    """Give 0 if the verdict on the service with admission control is a pass."""
    if len(CORES) < 2:
        sys.exit("make overload needs two cores: one for the service, one for the load")
    service, generator = start({})
    try:
        rate = capacity(service, generator)
    finally:
        generator.close()
        service.stop()
    print(f"One worker on one core can answer some {rate:,.0f} requests a second. With admission control:", flush=True)
    points, recovered = series({}, rate)
    print("Without:", flush=True)
    without, _ = series(UNLIMITED, rate)
    measured = {"capacity": round(rate), "with": points, "without": without, "recovered": recovered}
    RESULTS.write_text(json.dumps(measured, indent=1) + "\n")
    verdict = judge(points, recovered)
    print(f"\n{verdict}")
    return verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
