"""Fail if a request costs more than it did: `make bench-guard`. For Linux, with two cores; a minute.

No timer: the figure is the CPU of a prediction over that of gunicorn's constant, both measured here, in turns, in short
slices. Whatever else a machine does makes some slices dearer and none cheaper, so the cheapest ones count.
"""

import argparse
import sys
import tomllib
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

from loadtests.bench import processes
from loadtests.bench.catalogue import CATALOGUE, FLOOR, SERVICE
from loadtests.bench.environments import Environment
from loadtests.bench.measure import GENERATOR_CORES, SERVER_CORES, WARM_UP_S, saturate
from loadtests.bench.server import CORES, Server, on

RECORD = Path(__file__).parent / "guard.toml"
SLICES, SLICE_S, CHEAPEST = 100, 0.25, 5


@dataclass(frozen=True)
class Record:
    """The ratio that was measured when it was written, and the share above it that is still no regression."""

    ratio: float
    band: float

    @classmethod
    def read(cls) -> "Record":
        return cls(**tomllib.loads(RECORD.read_text()))

    @property
    def limit(self) -> float:
        return self.ratio * (1 + self.band)

    def write(self) -> None:
        """Write it in place of the one before, whose comments stay."""
        lines = RECORD.read_text().splitlines()
        RECORD.write_text(
            "\n".join(f"ratio = {self.ratio:.2f}" if line.startswith("ratio") else line for line in lines) + "\n"
        )


@dataclass(frozen=True)
class Slice:
    """Microseconds a request that a server ran, and that it had to wait for its core."""

    ran_us: float
    waited_us: float

    @classmethod
    def of(cls, server: Server) -> "Slice":
        before = processes.running_and_waiting_ns(server.process.pid)
        right = saturate(server, SLICE_S).outcomes["right"]
        after = processes.running_and_waiting_ns(server.process.pid)
        return cls(*((end - begin) / right / 1000 for begin, end in zip(before, after, strict=True)))


@dataclass(frozen=True)
class Measured:
    """The service's slices, and those of gunicorn's constant."""

    service: list[Slice]
    floor: list[Slice]

    @property
    def ratio(self) -> float:
        """How many times the CPU of gunicorn's constant a prediction costs."""
        return _cheapest(self.service) / _cheapest(self.floor)

    @property
    def is_disturbed(self) -> bool:
        """Whether something else had the server's core for as long as the server."""
        return median(one.waited_us / one.ran_us for one in self.service) > 1

    def __str__(self) -> str:
        costs = (_cheapest(self.service), _cheapest(self.floor))
        return "a prediction {:.0f} us of CPU, gunicorn's constant {:.0f} us: {:.2f} times".format(*costs, self.ratio)


def measure(application: str = "") -> Measured:
    """Ask the service and gunicorn's constant in turns.

    `application` stands in place of the one that is served by default, in gunicorn's form.
    """
    peers = {peer.name: peer for peer in CATALOGUE}
    command = (*peers[SERVICE].command, *filter(None, [application]))
    with ExitStack() as stack:
        environment = Environment(Path(sys.prefix), Path(stack.enter_context(TemporaryDirectory())))
        servers = []
        for peer in (replace(peers[SERVICE], command=command), peers[FLOOR]):
            servers.append(Server(peer, environment, SERVER_CORES))
            stack.callback(servers[-1].stop)
        with on(GENERATOR_CORES):
            for server in servers:
                saturate(server, WARM_UP_S)
            slices = [[Slice.of(server) for server in servers] for _ in range(SLICES)]
    return Measured(*map(list, zip(*slices, strict=True)))


def judge(measured: Measured, record: Record) -> tuple[int, str]:
    """Give the exit code and what to say."""
    allowed = f"recorded {record.ratio:.2f}, at most {record.limit:.2f}"
    if measured.ratio <= record.limit:
        is_stale = measured.ratio < record.ratio / (1 + record.band)
        return (
            0,
            f"PASSED: {allowed}" + ". It has become cheaper; record that: make bench-guard ARGS=--write" * is_stale,
        )
    if measured.is_disturbed:
        return 1, f"NO VERDICT: {allowed}, but other processes had the server's core. Run it again without them"
    return 1, f"FAILED: {allowed}. If it is worth that, record it: make bench-guard ARGS=--write"


def _cheapest(slices: list[Slice]) -> float:
    return mean(sorted(one.ran_us for one in slices)[:CHEAPEST])


def main() -> int:
    """Give 0 if a request costs no more than was recorded, and the band."""
    parser = argparse.ArgumentParser(prog="loadtests.bench.guard", description="Fail if a request costs more.")
    parser.add_argument("--write", action="store_true", help="record what is measured")
    parser.add_argument("--application", default="", help="another one than is served, in gunicorn's form")
    arguments = parser.parse_args()
    if not Path("/proc/self/schedstat").exists() or len(CORES) < 2:
        sys.exit("make bench-guard needs Linux and two cores: one for the server, one for the load")
    record, measured = Record.read(), measure(arguments.application)
    print(measured)
    if arguments.write:
        if measured.is_disturbed:
            sys.exit("not recorded: other processes had the server's core. Run it again without them")
        replace(record, ratio=measured.ratio).write()
        return 0
    code, verdict = judge(measured, record)
    print(verdict)
    return code


if __name__ == "__main__":
    sys.exit(main())
