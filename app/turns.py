"""Whose turn it is to compute: one request after the other, in the order in which they came. For gevent.

gevent's own order would do as long as all is quiet. But it runs up to fifty waiting greenlets before it looks at a
socket again, and whoever is to be refused learns it only after they all have computed. Imports no other module of app.
"""

from collections import deque
from time import monotonic, perf_counter, thread_time
from typing import Any

from gevent import get_hub, getcurrent

_SLICE_S = 0.002  # computing goes on for this long before sockets are looked at
_FIRST_GUESS_S = 0.001
_NEWEST = 0.05  # weight of the newest turn in what is typical


class Turns:
    """A queue of greenlets. Each runs when it is its turn, until it ends or waits for something else."""

    def __init__(self) -> None:
        self._hub = get_hub()
        self._queue: deque[Any] = deque()
        self._typical_s = _FIRST_GUESS_S
        self._given_up = False
        self._empty_at = monotonic()
        # The loop looks at sockets and timers in each of its rounds: a timer of no time runs once in each.
        self._timer = self._hub.loop.timer(0)

    def __len__(self) -> int:
        return len(self._queue)

    def expected_s(self) -> float:
        """Seconds of this worker's CPU until it would be one more's turn, by what turns took lately."""
        return len(self._queue) * self._typical_s

    def standing_s(self) -> float:
        """Seconds for which somebody has been waiting, without a moment's pause."""
        return monotonic() - self._empty_at

    def wait(self) -> None:
        """Wait for this greenlet's turn."""
        if not self._queue:
            self._empty_at = monotonic()
        self._queue.append(getcurrent())
        if not self._timer.active:
            self._timer.start(self._give)
        self._hub.switch()

    def give_up(self) -> None:
        """Make no use of this turn after all: it says nothing of how long turns take."""
        self._given_up = True

    def _give(self) -> None:
        until = perf_counter() + _SLICE_S
        cpu = thread_time()
        while self._queue and perf_counter() < until:
            self._queue.popleft().switch()
            before, cpu = cpu, thread_time()
            # One turn in which memory was tidied up does not make the others long: it counts for at most two.
            if not self._given_up:
                self._typical_s += min(cpu - before - self._typical_s, self._typical_s) * _NEWEST
            self._given_up = False
        if self._queue:
            self._timer.start(self._give)
