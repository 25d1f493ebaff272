"""How long requests wait for one worker that answers one after the other. Standard library only.

Callers ask at random times, and how long a request computes depends on its kind alone: an M/G/1 queue. Its mean wait is
Pollaczek and Khinchine's; its tail is taken as exponential with the right mean, which is a good approximation far out
(J. Abate, G. Choudhury, W. Whitt, "Exponential Approximations for Tail Probabilities in Queues, I", Operations Research
43(5), 1995).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, inf, log

PRECISION = 1e-6


@dataclass(frozen=True)
class Work:
    """The milliseconds that a request computes: their mean, and the mean of their squares."""

    mean_ms: float
    square_ms2: float

    @classmethod
    def of(cls, shares: Mapping[str, float], times_ms: Mapping[str, float]) -> "Work":
        """The work of a mix: each kind's share of the requests, and its milliseconds."""
        mean = sum(share * times_ms[kind] for kind, share in shares.items())
        return cls(mean, sum(share * times_ms[kind] ** 2 for kind, share in shares.items()))

    def utilisation(self, rate: float) -> float:
        """The share of its time that the worker computes at this many requests a second: the utilisation law."""
        return rate * self.mean_ms / 1000

    def wait_ms(self, rate: float) -> float:
        """The mean wait: rate E[S²] / 2 (1 - utilisation)."""
        busy = self.utilisation(rate)
        return rate / 1000 * self.square_ms2 / (2 * (1 - busy)) if busy < 1 else inf

    def late(self, rate: float, after_ms: float) -> float:
        """The share of the requests that wait longer than this."""
        busy = self.utilisation(rate)
        if busy >= 1:
            return 1.0
        return busy * exp(-busy * after_ms / self.wait_ms(rate)) if busy else 0.0

    def percentile_ms(self, rate: float, share: float) -> float:
        """The wait of this share of the requests, at most."""
        busy = self.utilisation(rate)
        if busy >= 1:
            return inf
        return max(0.0, log(busy / (1 - share)) * self.wait_ms(rate) / busy) if busy else 0.0

    def highest_rate(self, after_ms: float, share: float) -> float:
        """The most requests a second of which no more than this share waits longer."""
        low, high = 0.0, 1000 / self.mean_ms
        while high - low > PRECISION * high:
            middle = (low + high) / 2
            low, high = (middle, high) if self.late(middle, after_ms) <= share else (low, middle)
        return low
