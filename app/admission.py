"""Which requests a worker takes.

A worker computes one prediction after the other, so those that it has taken wait in a queue. Beyond what can be
answered in good time, a refusal at once is worth more to a caller than an answer too late. Imports app.turns only.
"""

from time import monotonic

from app.turns import Turns

_STANDING_S = 1.0
_PROBES = (b"get /health", b"head /health", b"get /v2/health", b"head /v2/health")


class Admission:
    """Decides by the queue of those who wait for their turn: how many they are, and how long one more would wait."""

    def __init__(self, turns: Turns, most: int, wait_s: float) -> None:
        self._turns = turns
        self._most = most
        self._wait_s = wait_s
        self._refused = 0
        self._refused_at = float("-inf")

    def takes(self, head: bytes) -> bool:
        """Whether a request is taken, by its head in lower case. Probes are: a busy worker is not a dead one."""
        within = len(self._turns) < self._most and self._turns.expected_s() <= self._wait_s
        return within or head.startswith(_PROBES)

    def is_too_late(self, head: bytes, waited_s: float) -> bool:
        """Whether a request that was taken has waited longer than it may after all; a probe never has.

        A burst, or a moment in which the machine did other things, leaves a queue that goes away by itself. Only one
        that stands is an overload (controlled delay: K. Nichols and V. Jacobson, "Controlling Queue Delay", ACM Queue
        10(5), 2012; for requests: B. Maurer, "Fail at Scale", ACM Queue 13(8), 2015).
        """
        limit_s = self._wait_s if self._turns.standing_s() > _STANDING_S else _STANDING_S
        return waited_s > limit_s and not head.startswith(_PROBES)

    def refuse(self) -> None:
        """Count a refusal."""
        self._refused += 1
        self._refused_at = monotonic()

    def is_refusing(self) -> bool:
        """Whether any was refused within the last second."""
        return monotonic() < self._refused_at + 1

    def take_refused(self) -> int:
        """How many were refused since this was last asked."""
        refused, self._refused = self._refused, 0
        return refused
