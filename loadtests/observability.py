"""What watching costs: CPU a request with metrics against without, with log lines against without; and a scrape.

Each pair of services is asked in turns in one run, on loopback, and only the ratios count. For Linux; `make overhead`.
"""

import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

ROOT = Path(__file__).parent.parent
ROUNDS = 30
REQUESTS = 500
SCRAPES = 100
REPLACED = 200
START_TIMEOUT_S = 30
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


class Service:
    """A gunicorn with the champion on free ports of loopback, and one connection to it."""

    def __init__(self, application: str, workers: int = 1, **settings: Any) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        given = {"port": self.port, "metrics_port": self.metrics_port, "workers": workers, **settings}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MNIST_")}
        environment |= {f"MNIST_{name.upper()}": str(value) for name, value in given.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "app/gunicorn.conf.py", application],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: answers(self.port) and len(self.workers()) == workers)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port)

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def cpu_us(self, body: str) -> float:
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
            content = get(self.metrics_port, "/metrics")
            times.append(perf_counter() - start)
        return statistics.median(times) * 1000, len(content)

    def replace_workers(self) -> None:
        old = self.workers()
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(self.workers()) == len(old) and not set(old) & set(self.workers()))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(START_TIMEOUT_S)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Any) -> None:
    deadline = monotonic() + START_TIMEOUT_S
    while not holds():
        assert monotonic() < deadline, "the service did not start"


def answers(port: int) -> bool:
    try:
        return bool(get(port, "/health/ready"))
    except OSError:
        return False


def get(port: int, path: str) -> bytes:
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read()


def cpu_ns(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def more_cpu(name: str, dear: Service, cheap: Service, body: str) -> float:
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
        "metrics": Service(WITH_METRICS, log_sample=0),
        "neither": Service(WITHOUT, log_sample=0),
        "log": Service(WITH_METRICS, log_sample=1),
    }
    crowd = Service(WITH_METRICS, workers=8, log_sample=0)
    try:
        body = json.dumps({"image": json.loads(get(crowd.port, "/example"))["image"]})
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
