"""A long steady load, and what becomes of the workers: their memory, open files and latency. `make soak`; for Linux.

Takes a thirtieth of the duration for one point of the series: a minute of the usual thirty.
"""

import argparse
import csv
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from loadtests import objectives, results
from loadtests.footprint import resident_mb
from loadtests.results import VERDICT
from loadtests.run import locust
from loadtests.service import Service
from loadtests.verdict import Row, Verdict

SHAPE = "soak"
POINTS = 30
WARM_UP = 5  # points
SAMPLES_A_POINT = 6


@dataclass(frozen=True)
class Sample:
    """The workers at one time: resident megabytes by pid, and open file descriptors of all together."""

    at: float
    resident_mb: dict[int, float]
    fds: int


@dataclass(frozen=True)
class Point:
    """A thirtieth of the soak: medians of its samples, and the mean milliseconds of its requests."""

    resident_mb: dict[int, float]
    fds: float
    requests: int
    mean_ms: float


class Sampler(threading.Thread):
    """Looks at a service's workers from time to time, until it is stopped."""

    def __init__(self, service: Service, period_s: float) -> None:
        super().__init__()
        self.samples: list[Sample] = []
        self._service = service
        self._period_s = period_s
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(self._period_s):
            try:
                pids = self._service.workers()
                fds = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)
                self.samples.append(Sample(time.time(), {pid: resident_mb(pid) for pid in pids}, fds))
            except OSError:  # a worker ended meanwhile: the next sample shows who is there instead
                self.samples.append(Sample(time.time(), {}, 0))

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def points(samples: list[Sample], history: Path, duration_s: float) -> list[Point]:
    """The series: from samples, and from Locust's running totals of requests."""
    with history.open() as file:
        rows = [row for row in csv.DictReader(file) if row["Name"] == "Aggregated"]
    start = float(rows[0]["Timestamp"])
    found = []
    for index in range(POINTS):
        begin, end = (start + at * duration_s / POINTS for at in (index, index + 1))
        inside = [one for one in samples if begin <= one.at < end]
        requests, total_ms = (_total(rows, end, kind) - _total(rows, begin, kind) for kind in ("count", "ms"))
        resident = {pid: median(one.resident_mb.get(pid, 0) for one in inside) for pid in _pids(inside)}
        fds = median(one.fds for one in inside) if inside else 0
        found.append(Point(resident, fds, int(requests), total_ms / requests if requests else 0))
    return found


def _pids(samples: list[Sample]) -> set[int]:
    return {pid for one in samples for pid in one.resident_mb}


def _total(rows: list[dict[str, str]], until: float, kind: str) -> float:
    """All requests until a time, or the milliseconds that they took together."""
    last = max((row for row in rows if float(row["Timestamp"]) <= until), key=lambda row: float(row["Timestamp"]))
    count = int(last["Total Request Count"])
    return count if kind == "count" else count * float(last["Total Average Response Time"])


def judge(series: list[Point], wanted: objectives.Workers) -> Verdict:
    """Compare, after the warm-up: each worker's memory at the end and at the beginning, latency and files by thirds."""
    settled = series[WARM_UP:]
    third = len(settled) // 3
    first, last = settled[:third], settled[-third:]
    pids = set(settled[0].resident_mb)
    replaced = sum(set(point.resident_mb) != pids for point in settled)
    growth = max((settled[-1].resident_mb.get(pid, 0) / settled[0].resident_mb[pid] - 1 for pid in pids), default=0)
    before_ms = median(point.mean_ms for point in first)
    drift = median(point.mean_ms for point in last) / before_ms if before_ms else 0
    more_fds = median(point.fds for point in last) - median(point.fds for point in first)
    rows = (
        Row("memory growth", growth, "<=", wanted.memory_growth, "{:+.2%}"),
        Row("latency drift", drift, "<=", wanted.latency_drift, "{:.2f} times"),
        Row("more open files", more_fds, "<=", wanted.more_fds, "{:+.0f}"),
        Row("replaced workers", replaced, "<=", 0, "in {:.0f} points"),
    )
    title = f"{len(pids)} workers, over {len(settled)} points after a warm-up of {WARM_UP}"
    return Verdict(title, rows, sum(point.requests for point in settled))


def write(series: list[Point], duration_s: float, path: Path) -> None:
    """Write the series as CSV, a row a point."""
    pids = sorted({pid for point in series for pid in point.resident_mb})
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["minutes", "requests", "mean_ms", "open_fds", *(f"resident_mb_{pid}" for pid in pids)])
        for index, point in enumerate(series):
            resident = (f"{point.resident_mb[pid]:.3f}" if pid in point.resident_mb else "" for pid in pids)
            minutes = (index + 1) * duration_s / POINTS / 60
            writer.writerow([f"{minutes:.2f}", point.requests, f"{point.mean_ms:.3f}", point.fds, *resident])


def soak(application: str, slo: Path, given_s: float, out: Path) -> int:
    """Load a service for the whole duration, write the series, print both verdicts; give 0 if both are passes."""
    duration_s = objectives.read(SHAPE, slo, given_s).duration_s
    wanted = objectives.read_workers(slo)
    if duration_s < POINTS:
        sys.exit(f"A soak of {duration_s:g} s is too short: each of its {POINTS} points needs a second at least")
    service = Service(application, workers=2)
    sampler = Sampler(service, duration_s / POINTS / SAMPLES_A_POINT)
    try:
        print(f"Load goes to a service of 2 workers: {SHAPE}, {duration_s:g} s. Results: {out}", flush=True)
        sampler.start()
        code = locust(f"http://127.0.0.1:{service.port}", SHAPE, slo, duration_s, out)
    finally:
        sampler.stop()
        service.stop()
    series = points(sampler.samples, out / "load_stats_history.csv", duration_s)
    write(series, duration_s, out / "soak.csv")
    verdict = judge(series, wanted)
    print(f"\n{verdict}")
    with (out / VERDICT).open("a") as file:
        file.write(f"\n{verdict}\n")
    return code or verdict.exit_code


def main() -> int:
    """Give 0 if both verdicts are passes."""
    parser = argparse.ArgumentParser("python -m loadtests.soak", description="Load the service for a long time.")
    parser.add_argument("--slo", type=Path, default=objectives.PATH, help="the file of objectives")
    parser.add_argument("--duration", type=float, default=0, help="seconds, in place of the file's duration_s")
    parser.add_argument("--application", default="", help="what gunicorn serves (default: the service)")
    parser.add_argument("--out", type=Path, help="folder for the results (default: a new one in runs/load)")
    given = parser.parse_args()
    if not Path("/proc/self").exists():
        sys.exit("make soak reads the workers' memory from /proc, so it needs Linux")
    out = given.out or results.folder(SHAPE)
    try:
        return soak(given.application, given.slo, given.duration, out)
    except objectives.ObjectivesError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(main())
