"""The measurement: all peers up at once, each asked in its turn, round after round. For Linux.

So what the machine does else meanwhile happens to all of them. The CPU is the kernel's account of each process tree:
what runs beside takes time from a peer, but is not counted as its own.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from loadtests.bench import processes
from loadtests.bench.catalogue import Peer
from loadtests.bench.environments import Environment
from loadtests.bench.server import CORES, Disqualified, Server, on
from loadtests.open_loop import Generator, Offered, percentile_ms, requests

SERVER_CORES, GENERATOR_CORES = CORES[:1], CORES[-1:]
CONNECTIONS = 8
STARTS = 3
WARM_UP_S = 1.0
SATURATED_S = 2.5
# What all but the slowest peers can answer, each on a fraction of its core.
EQUAL_RATE, EQUAL_S = 100, 2.0
# A peer that can answer less than this many times the equal rate is not asked at it.
HEADROOM = 1.5
REFUSED = "503"


@dataclass
class Figures:
    """What was measured of a peer: one entry a round, unless it says otherwise."""

    cpu_us: list[float] = field(default_factory=list)  # of a request, under saturation
    throughput: list[float] = field(default_factory=list)
    idle_share: list[float] = field(default_factory=list)  # of a core, between its turns
    generator_share: list[float] = field(default_factory=list)  # of the generator's core, under saturation
    equal_p50_ms: list[float] = field(default_factory=list)
    equal_p99_ms: list[float] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)  # one a start
    memory_mb: tuple[float, float, float] = (0.0, 0.0, 0.0)  # once, at the end; see processes.memory_mb
    installed_mb: float = 0.0
    requests: int = 0
    disqualified: str = ""


class Contestant:
    """A running peer, its figures, and when and with how much CPU its last turn ended."""

    def __init__(self, server: Server, figures: Figures) -> None:
        self.server = server
        self.figures = figures
        self._rested: tuple[float, float] | None = None

    def turn(self) -> None:
        """Measure one round. Raises Disqualified at the first answer that is not right."""
        figures, before = self.figures, self.server.cpu_s()
        if self._rested:
            since, cpu = self._rested
            figures.idle_share.append((before - cpu) / (time.perf_counter() - since))
        offered = saturate(self.server, SATURATED_S)
        right = offered.outcomes["right"]
        figures.cpu_us.append((self.server.cpu_s() - before) / right * 1e6)
        figures.throughput.append(offered.goodput)
        figures.generator_share.append(offered.cpu_share)
        figures.requests += right
        if offered.goodput > HEADROOM * EQUAL_RATE:
            self._equal()
        self._rested = time.perf_counter(), self.server.cpu_s()

    def _equal(self) -> None:
        with closing(generator(self.server)) as made:
            offered = all_right(made.offer(EQUAL_RATE, EQUAL_S))
        self.figures.equal_p50_ms.append(percentile_ms(offered.right_s, 0.5))
        self.figures.equal_p99_ms.append(percentile_ms(offered.right_s, 0.99))
        self.figures.requests += offered.outcomes["right"]


def generator(server: Server, connections: int = CONNECTIONS) -> Generator:
    return Generator(server.port, requests(server.questions, server.peer.path), connections)


def saturate(server: Server, seconds: float, connections: int = CONNECTIONS) -> Offered:
    """Keep a server busy. Raises Disqualified at an answer that is not right."""
    with closing(generator(server, connections)) as made:
        return all_right(made.saturate(seconds))


def all_right(offered: Offered) -> Offered:
    """Raise Disqualified if an answer was wrong, or none was right. To refuse is allowed; who does answers less."""
    if set(offered.outcomes) - {"right", REFUSED} or not offered.outcomes["right"]:
        raise Disqualified(f"of its answers, {_listed(offered.outcomes)}")
    return offered


def start(peer: Peer, environment: Environment, settings: dict[str, str] | None = None) -> tuple[Server, list[float]]:
    """Start a peer STARTS times; leave it running, and give the seconds to each first right answer."""
    times: list[float] = []
    while True:
        server = Server(peer, environment, SERVER_CORES, settings)
        times.append(server.start_s)
        if len(times) == STARTS:
            return server, times
        server.stop()


def rounds(contestants: list[Contestant], count: int) -> Iterator[int]:
    """Let each have its turn, in another order each round. Yields after each round. Who errs has no more turns."""
    order, chance = list(contestants), random.Random(0)
    with on(GENERATOR_CORES):
        for one in order:
            _or_disqualified(one, lambda one=one: saturate(one.server, WARM_UP_S))
        for index in range(count):
            chance.shuffle(order)
            for one in order:
                _or_disqualified(one, one.turn)
            yield index + 1
    for one in contestants:
        one.figures.memory_mb = processes.memory_mb(one.server.process.pid)


def _or_disqualified(one: Contestant, what: Callable[[], object]) -> None:
    if one.figures.disqualified:
        return
    try:
        what()
    except Disqualified as error:
        one.figures.disqualified = str(error)


def _listed(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common())
