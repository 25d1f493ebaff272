"""What the service costs before its first request and after a thousand: `make footprint`.

Prints each figure beside its limit. Sizes decide the exit code; times are printed only, since they measure the
machine as well.
"""

import json
import os
import re
import socket
import statistics
import sys
import sysconfig
import time
from contextlib import ExitStack, closing
from importlib.metadata import distributions
from pathlib import Path

from loadtests.service import ROOT, Service

SITE_PACKAGES_LIMIT_MB = 190
WORKER_LIMIT_MB = 80
START_GOAL_S = 1.0
STOP_GOAL_S = 1.0
STARTS = 5
REQUESTS = 1000
SLOW_CONNECTIONS = 200
HONEST_REQUESTS = 50


def predict(service: Service, body: bytes, times: int) -> list[float]:
    """Send requests, each on a connection of its own; give the seconds that each took."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        with closing(service.connect()) as connection:
            connection.request("POST", "/predict", body)
            answer = connection.getresponse()
            assert json.loads(answer.read())["prediction"] == 0, "a wrong answer"
        taken.append(time.perf_counter() - started)
    return taken


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def site_packages_mb() -> float:
    """What `pip install -r requirements/serve.txt` puts into a new environment, pip itself left out."""
    requirements = (ROOT / "requirements" / "serve.txt").read_text()
    names = {line.partition("==")[0] for line in requirements.splitlines() if "==" in line}
    serving = [one for one in distributions() if re.sub("[_.]", "-", one.metadata["Name"].lower()) in names]
    files = {file.locate() for one in serving for file in one.files or []}
    inside = Path(sysconfig.get_path("purelib"))
    return (
        sum(Path(path).stat().st_size for path in files if inside in Path(path).parents and Path(path).exists()) / 1e6
    )


def honest_seconds(service: Service, body: bytes) -> tuple[float, float]:
    """Median seconds of an honest request, without and with 200 connections that stay half-sent."""
    alone = statistics.median(predict(service, body, HONEST_REQUESTS))
    with ExitStack() as stack:
        for index in range(SLOW_CONNECTIONS):
            slow = stack.enter_context(closing(socket.create_connection(("127.0.0.1", service.port))))
            if index % 2:
                slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Le")
        return alone, statistics.median(predict(service, body, HONEST_REQUESTS))


def main() -> int:
    """Measure, print, and give the exit code."""
    if not Path("/proc/self").exists():
        sys.exit("make footprint reads memory from /proc, so it needs Linux")
    starts, stops = [], []
    for _ in range(STARTS):
        service = Service()
        starts.append(service.start_s)
        stops.append(service.stop())
    service = Service(keepalive_s=600)
    try:
        body = service.get("/example")
        predict(service, body, REQUESTS)
        worker = max(map(resident_mb, service.workers()))
        alone, beside_slow = honest_seconds(service, body)
    finally:
        service.stop()
    packages = site_packages_mb()
    rows = [
        ("serving packages", f"{packages:.0f} MB", f"limit {SITE_PACKAGES_LIMIT_MB}"),
        ("resident, largest worker", f"{worker:.0f} MB", f"limit {WORKER_LIMIT_MB}, after {REQUESTS} predictions"),
        ("start to ready", f"{statistics.median(starts):.2f} s", f"goal {START_GOAL_S:g}, median of {STARTS}"),
        ("Ctrl-C to stopped", f"{statistics.median(stops):.2f} s", f"goal {STOP_GOAL_S:g}, median of {STARTS}"),
        (
            f"beside {SLOW_CONNECTIONS} slow clients",
            f"{beside_slow / alone:.2f}",
            "times an honest request's median alone",
        ),
    ]
    for what, figure, note in rows:
        print(f"{what:<26}{figure:>8}   {note}")
    return int(packages > SITE_PACKAGES_LIMIT_MB or worker > WORKER_LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
