"""Measure one pod for loadtests/capacity.py: `make capacity-figures`, which writes loadtests/capacity.toml.

A container of the image with one worker stands for the pod: the kernel gives both their CPU limit in the same way. It
has a core, the load has another; requests come at random times. For Linux and docker.
"""

import argparse
import contextlib
import os
import platform
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any

from loadtests import payloads, sizes
from loadtests.open_loop import Asked, Generator, Offered, percentile_ms, requests
from loadtests.overload import CORES
from loadtests.queueing import Work
from loadtests.service import free_port
from loadtests.verdict import CPU_LIMIT

LIMITS = (1.0, 0.5, 0.25)
FIRST, STEP = 0.3, 0.05  # of the rate that the CPU alone would allow
STEP_S, STEADY_S = 5, 30
CONNECTIONS = 100
ROUNDS, REQUESTS = 9, 200
START_TIMEOUT_S = 60
HEADER = """\
# One pod, measured: `make capacity-figures` writes this, `make capacity` reads it, and docs/CAPACITY.md explains it.
#
#   cpu_ms      CPU milliseconds of the pod a request, one after the other, by its kind; batch: ten images
#   cpu         the pod's CPU limit, in cores
#   kept        requests a second that it keeps within the objectives: the median of loads that rise in steps
#   planned_…   at the share of that which is planned, for half a minute: latency, CPU milliseconds a request, share of
#               the limit's periods of 100 ms in which the pod had used it up and stood still
"""


@dataclass
class Pod:
    """A running container: where it listens, and the pid of its first process."""

    port: int
    pid: int

    def cpu(self) -> Counter[str]:
        """Its cgroup's counters: CPU microseconds used, periods of its limit, and in how many it was stopped."""
        lines = (self._group("cpu") / "cpu.stat").read_text().splitlines()
        counters = Counter({name: int(value) for name, value in (line.split() for line in lines)})
        if "usage_usec" not in counters:  # cgroups of version 1
            used_ns = int((self._group("cpuacct") / "cpuacct.usage").read_text())
            counters["usage_usec"] = used_ns // 1000
        return counters

    def _group(self, controller: str) -> Path:
        """The folder of a controller; of all of them, with cgroups of version 2."""
        lines = Path(f"/proc/{self.pid}/cgroup").read_text().splitlines()
        paths = {names: path.lstrip("/") for _, names, path in (line.split(":", 2) for line in lines)}
        root = Path("/sys/fs/cgroup")
        return root / controller / paths[controller] if controller in paths else root / paths[""]

    def cpu_ms(self, bodies: list[bytes], keep: bool) -> float:
        """CPU milliseconds a request: the median of rounds, one request after the other."""
        headers = {"Content-Type": "application/json", "Connection": "keep-alive" if keep else "close"}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=START_TIMEOUT_S)
        used = []
        for _ in range(ROUNDS):
            before = self.cpu()["usage_usec"]
            for at in range(REQUESTS):
                connection.request("POST", "/predict", bodies[at % len(bodies)], headers)
                answer = connection.getresponse()
                assert answer.status == 200, answer.read()
                answer.read()
            used.append((self.cpu()["usage_usec"] - before) / REQUESTS / 1000)
        connection.close()
        return median(used)

    def await_ready(self) -> None:
        give_up = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < give_up:
            with contextlib.suppress(OSError), contextlib.closing(HTTPConnection("127.0.0.1", self.port)) as connection:
                connection.request("GET", "/health/ready")
                if connection.getresponse().status == 200:
                    return
            time.sleep(0.1)
        sys.exit(f"the container was not ready after {START_TIMEOUT_S} s")


@contextlib.contextmanager
def pod(image: str, cpu: float) -> Iterator[Pod]:
    """Run one worker of the image under a CPU limit."""
    port = free_port()
    name = f"mnist-capacity-{port}"
    settings = {"WORKERS": 1, "PORT": port, "METRICS_PORT": free_port(), "HOST": "127.0.0.1"}
    command = [
        # The host's network: what forwards ports to a network of its own would use the CPU that is measured.
        *("docker", "run", "--detach", "--rm", "--name", name, "--network", "host", "--read-only", "--tmpfs", "/tmp"),
        *("--cpus", str(cpu), "--cpuset-cpus", str(CORES[0]), "--memory", "384m"),
        *(word for key, value in settings.items() for word in ("--env", f"MNIST_{key}={value}")),
        image,
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    try:
        inspect = ["docker", "inspect", "--format", "{{.State.Pid}}", name]
        found = Pod(port, int(subprocess.run(inspect, check=True, capture_output=True, text=True).stdout))
        found.await_ready()
        yield found
    finally:
        subprocess.run(["docker", "stop", name], check=True, stdout=subprocess.DEVNULL)


def mix() -> list[tuple[bytes, Asked]]:
    """A hundred requests in the shares of Locust's users."""
    asked = {
        "single": requests(payloads.singles()),
        "batch": requests(payloads.batches()),
        "new_connection": requests(payloads.singles(), closing=True),
    }
    mixed = [one for kind, some in asked.items() for one in some * round(sizes.MIX[kind] * 100 / len(some))]
    random.Random(0).shuffle(mixed)
    return mixed


def keeps(offered: Offered) -> bool:
    """Whether the objectives held."""
    few_failed = offered.failed <= (1 - sizes.ANSWERED) * offered.outcomes.total()
    return few_failed and percentile_ms(offered.right_s, sizes.SHARE_WITHIN) <= sizes.WITHIN_MS


def kept(target: Pod, most: float) -> float:
    """The last rate of a load in steps that held; 0 if none did. `most` is what the CPU alone would allow."""
    rate, found = FIRST * most, 0.0
    with contextlib.closing(Generator(target.port, mix(), CONNECTIONS)) as generator:
        while keeps(offered := generator.offer(rate, STEP_S, at_random=True)):
            found = offered.goodput
            rate += STEP * most
    busy = f"{offered.cpu_share:.0%} of its core used by the load"
    print(f"  keeps {found:,.0f} a second; at {rate:,.0f}: {dict(offered.outcomes)}, {busy}", flush=True)
    if offered.cpu_share > CPU_LIMIT:
        sys.exit("the load's own core was the bottleneck: this machine is too slow to load such a pod")
    return found


def steady(target: Pod, rate: float) -> tuple[Offered, Counter[str]]:
    """What becomes of a rate for a while, and of the pod's counters meanwhile."""
    before = target.cpu()
    with contextlib.closing(Generator(target.port, mix(), CONNECTIONS)) as generator:
        offered = generator.offer(rate, STEADY_S, at_random=True)
    spent = target.cpu()
    spent.subtract(before)
    p99_ms = percentile_ms(offered.right_s, sizes.SHARE_WITHIN)
    print(f"  {rate:,.0f} a second for {STEADY_S} s: p99 {p99_ms:.1f} ms, {dict(offered.outcomes)}", flush=True)
    return offered, spent


def size(image: str, cpu: float, most: float, repeats: int) -> dict[str, Any]:
    """What a pod of a CPU limit keeps: the median of loads in steps, and then a look at the share that is planned."""
    print(f"At most {cpu:g} core:", flush=True)
    with pod(image, cpu) as target:
        rate = median(kept(target, cpu * most) for _ in range(repeats))
        if not rate:
            sys.exit(f"a pod of {cpu:g} core keeps no rate here: something else takes the CPU, or the limit is too low")
        offered, spent = steady(target, sizes.PLANNED * rate)
        # What held for the seconds of a step may not hold for longer, where the limit stops the pod by times.
        while not keeps(offered):
            rate *= 1 - STEP
            offered, spent = steady(target, sizes.PLANNED * rate)
    return {
        "cpu": cpu,
        "kept": round(rate),
        "planned_p50_ms": round(percentile_ms(offered.right_s, 0.5), 1),
        "planned_p99_ms": round(percentile_ms(offered.right_s, 0.99), 1),
        "planned_cpu_ms": round(spent["usage_usec"] / 1000 / offered.outcomes["right"], 3),
        "planned_throttled": round(spent["nr_throttled"] / max(1, spent["nr_periods"]), 3),
    }


def costs(image: str) -> dict[str, float]:
    """CPU milliseconds a request, by its kind; as fast as they are answered."""
    singles, batches = ([one.body for one in some] for some in (payloads.singles(), payloads.batches()))
    with pod(image, 1) as target:
        target.cpu_ms(singles, keep=True)  # warms up
        kinds = {"single": (singles, True), "batch": (batches, True), "new_connection": (singles, False)}
        return {name: round(target.cpu_ms(*kind), 3) for name, kind in kinds.items()}


def toml(costs_ms: dict[str, float], measured: list[dict[str, Any]], where: str) -> str:
    """The file of figures."""
    lines = [*HEADER.splitlines(), f'measured = "{where}"', "", "[cpu_ms]"]
    lines += [f"{name} = {value}" for name, value in costs_ms.items()]
    for one in measured:
        lines += ["", "[[sizes]]", *(f"{name} = {value}" for name, value in one.items())]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure all, write the file, and print it."""
    parser = argparse.ArgumentParser("python -m loadtests.pod", description="Measure one pod.")
    parser.add_argument("--image", default="mnist-api", help="the serving image (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="loads in steps a size (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=sizes.PATH, help="the file (default: %(default)s)")
    given = parser.parse_args()
    if not Path("/sys/fs/cgroup").exists():
        sys.exit("make capacity-figures reads the pod's CPU from its cgroup, so it needs Linux")
    if len(CORES) < 2:
        sys.exit("make capacity-figures needs two cores: one for the pod, one for the load")
    os.sched_setaffinity(0, CORES[-1:])
    spent = costs(given.image)
    most = 1000 / Work.of(sizes.MIX, spent).mean_ms
    measured = [size(given.image, cpu, most, given.repeats) for cpu in LIMITS]
    where = f"{datetime.now(UTC):%Y-%m-%d}, {len(CORES)} cores, {platform.machine()}, {given.repeats} loads a size"
    given.out.write_text(toml(spent, measured, where))
    print(f"\n{given.out}:\n\n{given.out.read_text()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
