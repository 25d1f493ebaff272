"""What watching costs: CPU a request with metrics against without, with log lines against without; and a scrape.

Each pair of services is asked in turns in one run, on loopback, and only the ratios count. For Linux; `make overhead`.
"""

import os
import signal
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

from loadtests.service import TIMEOUT_S, Service

ROUNDS = 30
REQUESTS = 500
SCRAPES = 100
REPLACED = 200
LIMIT_METRICS = 0.05
WITH_METRICS, WITHOUT = "app.main:from_environment()", "loadtests.observability:without_metrics()"


class Silent:
    """Takes every call that Metrics takes, and counts nothing."""

    def __getattr__(self, _name: str) -> "Silent":
        return self

    def __call__(self, *_arguments: Any) -> None:
        return None


def without_metrics() -> Any:
    """Make the application that gunicorn serves, counting nothing."""
    from app import main

    silent = Silent()
    main.Metrics = lambda *_: silent  # type: ignore[assignment,misc]
    return main.from_environment()


class Measured(Service):
    """A service of as many workers as are asked for, all of them running, and one connection to it."""

    def __init__(self, application: str, workers: int = 1, **settings: Any) -> None:
        super().__init__(application, workers=workers, **settings)
        wait_until(lambda: len(self.workers()) == workers)
        self.connection = self.connect()

    def cpu_us(self, body: bytes) -> float:
        """CPU microseconds of the worker for one of REQUESTS predictions."""
        (worker,) = self.workers()
        before = cpu_ns(worker)
        for _ in range(REQUESTS):
            self.connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            assert self.connection.getresponse().read()
        return (cpu_ns(worker) - before) / REQUESTS / 1000

    def scrape_ms(self) -> tuple[float, int]:
        """The milliseconds that a scrape takes, median of SCRAPES, and the bytes that it brings."""
        times = []
        for _ in range(SCRAPES):
            start = perf_counter()
            content = self.get("/metrics", self.metrics_port)
            times.append(perf_counter() - start)
        return statistics.median(times) * 1000, len(content)

    def replace_workers(self) -> None:
        old = self.workers()
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(self.workers()) == len(old) and not set(old) & set(self.workers()))


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = monotonic() + TIMEOUT_S
    while not holds():
        assert monotonic() < deadline, "the workers did not start"


def cpu_ns(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def more_cpu(name: str, dear: Measured, cheap: Measured, body: bytes) -> float:
    """Print and give what `dear` takes more than `cheap`, as a share: the median over rounds in turns."""
    for service in (dear, cheap):
        service.cpu_us(body)
    pairs = [(dear.cpu_us(body), cheap.cpu_us(body)) for _ in range(ROUNDS)]
    shares = [one / other - 1 for one, other in pairs]
    share = statistics.median(shares)
    low, *_, high = statistics.quantiles(shares, n=4)
    us = [statistics.median(column) for column in zip(*pairs, strict=True)]
    print(
        f"{name:<12} {share:+7.1%} CPU a request (quartiles {low:+.1%} to {high:+.1%}; {us[0]:.0f} and {us[1]:.0f} us)"
    )
    return share


def main() -> int:
    """Measure, print, and give 1 if metrics cost more than they may."""
    print(f"{ROUNDS} rounds of {REQUESTS} requests each, in turns")
    services = {
        "metrics": Measured(WITH_METRICS, log_sample=0),
        "neither": Measured(WITHOUT, log_sample=0),
        "log": Measured(WITH_METRICS, log_sample=1),
    }
    crowd = Measured(WITH_METRICS, workers=8, log_sample=0)
    try:
        body = crowd.get("/example")
        share = more_cpu("metrics", services["metrics"], services["neither"], body)
        more_cpu("log lines", services["log"], services["metrics"], body)
        crowd.replace_workers()
        before, size_before = crowd.scrape_ms()
        for _ in range(REPLACED // 8 - 1):
            crowd.replace_workers()
        after, size_after = crowd.scrape_ms()
        print(f"a scrape of 8 workers: {before:.1f} ms, {size_before:,} bytes")
        print(f"after {REPLACED} replaced workers: {after / before:.2f} times that, {size_after:,} bytes")
    finally:
        for service in (*services.values(), crowd):
            service.stop()
    if share > LIMIT_METRICS:
        print(f"FAILED: metrics cost {share:.1%}, more than {LIMIT_METRICS:.0%}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
