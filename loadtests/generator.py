"""What the process that makes the load knows of itself: how busy it is, and how late it is woken.

Figures of a generator without a core to run on are its own, not the service's.
"""

from collections import deque
from statistics import quantiles
from time import perf_counter, process_time
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtests.verdict import Generator

WINDOW_S = 2.0
TICK_S = 0.05
# An hour's ticks: a long load's lateness is that of its end.
TICKS_KEPT = 72_000
KEY = "generator"


class Watch:
    """Watches this process, or collects what the workers of a master say of theirs."""

    def __init__(self, environment: Environment) -> None:
        self._late_s: deque[float] = deque(maxlen=TICKS_KEPT)
        self._cpu = 0.0
        self._workers: dict[str, Generator] = {}
        if isinstance(environment.runner, MasterRunner):
            environment.events.worker_report.add_listener(self._collect)
            return
        if isinstance(environment.runner, WorkerRunner):
            environment.events.report_to_master.add_listener(self._report)
        environment.events.test_start.add_listener(lambda **_: gevent.spawn(self._run))

    def _run(self) -> None:
        while True:
            wall, cpu = perf_counter(), process_time()
            while (now := perf_counter()) < wall + WINDOW_S:
                gevent.sleep(TICK_S)
                self._late_s.append(perf_counter() - now - TICK_S)
            self._cpu = max(self._cpu, (process_time() - cpu) / (perf_counter() - wall))

    def _report(self, data: dict[str, Any], **_: Any) -> None:
        own = self.figures()
        data[KEY] = {"cpu": own.cpu, "late_ms": own.late_ms}

    def _collect(self, client_id: str, data: dict[str, Any]) -> None:
        if KEY in data:
            self._workers[client_id] = Generator(**data[KEY])

    def figures(self) -> Generator:
        """The figures up to now; of several workers, the worst of each."""
        if self._workers:
            found = self._workers.values()
            return Generator(max(one.cpu for one in found), max(one.late_ms for one in found))
        if len(self._late_s) < 2:
            return Generator()
        return Generator(self._cpu, 1000 * quantiles(self._late_s, n=100)[-1])
