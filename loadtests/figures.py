"""What came of a load: how many requests, how many failed, how long they took. Standard library only."""

from collections import Counter
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figures:
    """Counts of a stretch of time. `times_ms` counts the requests by their milliseconds, as Locust rounds them."""

    requests: int
    failed: int
    seconds: float
    times_ms: Counter[int]

    @classmethod
    def of(cls, total: Any, seconds: float) -> "Figures":
        """Take the figures from Locust's statistics, over the seconds that they stand for."""
        return cls(total.num_requests, total.num_failures, seconds, Counter(total.response_times))

    def since(self, earlier: "Figures") -> "Figures":
        """What came after earlier figures of the same load."""
        return Figures(
            self.requests - earlier.requests,
            self.failed - earlier.failed,
            self.seconds - earlier.seconds,
            self.times_ms - earlier.times_ms,
        )

    def percentile_ms(self, share: float) -> int:
        """The milliseconds within which this share of the requests ended; 0 if there were none."""
        wanted, seen = share * self.times_ms.total(), 0
        for time_ms in sorted(self.times_ms):
            seen += self.times_ms[time_ms]
            if seen >= wanted:
                return time_ms
        return 0

    @property
    def failures(self) -> float:
        """The share that failed."""
        return self.failed / self.requests if self.requests else 0.0

    @property
    def throughput(self) -> float:
        """Requests a second that were answered rightly."""
        return (self.requests - self.failed) / self.seconds if self.seconds else 0.0
