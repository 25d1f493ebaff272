"""How the load goes over time, by the name of the shape. A user asks twice a second, so users are half the rate."""

from math import sqrt

from locust import LoadTestShape
from locust.runners import Runner

from loadtests.figures import Figures
from loadtests.generator import Watch
from loadtests.objectives import SHAPES, Objectives
from loadtests.verdict import Generator

REQUESTS_A_SECOND_A_USER = 2
SPIKE = 5
STEPS = 100
SETTLING = 0.2
# A step keeps up if no more than this share of what it offers is not answered, or what chance explains: requests at
# random times are sometimes fewer, by the square root of their number.
MISSING = 0.1
DEVIATIONS = 3


def make(name: str, objectives: Objectives, runner: Runner, watch: Watch) -> "Shape":
    """Make the shape of this name, for a runner that is watched."""
    kinds = dict.fromkeys(SHAPES, Level) | {"spike": Spike, "step": Steps}
    return kinds[name](objectives, runner, watch)


class Shape(LoadTestShape):
    """A load over time; it knows which figures are to be judged."""

    abstract = True

    def __init__(self, objectives: Objectives, runner: Runner, watch: Watch) -> None:
        super().__init__()
        self.objectives = objectives
        self.runner = runner
        self.watch = watch
        self.most_users = 1

    def at(self, seconds: float) -> float | None:
        """The rate at this time of the load; None at its end."""
        raise NotImplementedError

    def tick(self) -> tuple[int, float] | None:
        """Tell Locust how many users it takes now, and to make or end all of them at once; None ends the load."""
        rate = self.at(self.get_run_time())
        if rate is None:
            return None
        users = max(1, round(rate / REQUESTS_A_SECOND_A_USER))
        self.most_users = max(self.most_users, users)
        return users, self.most_users

    def judged(self) -> tuple[Figures, Generator]:
        """What is judged, and what the generator was like: everything up to now."""
        total = self.runner.stats.total
        seconds = (total.last_request_timestamp or total.start_time) - total.start_time
        return Figures.of(total, seconds), self.watch.figures()


class Level(Shape):
    """The same rate all the time."""

    def at(self, seconds: float) -> float | None:
        return self.objectives.rate if seconds < self.objectives.duration_s else None


class Spike(Shape):
    """Five times the rate in the middle third."""

    def at(self, seconds: float) -> float | None:
        third = int(3 * seconds / self.objectives.duration_s)
        return None if third > 2 else self.objectives.rate * (SPIKE if third == 1 else 1)


class Steps(Shape):
    """Up, step by step, until one breaks the objectives. Judged is the last that kept them, or the first if none did.

    Locust's workers report each three seconds. So the first fifth of a step is left out: what is measured begins and
    ends equally late.
    """

    def __init__(self, objectives: Objectives, runner: Runner, watch: Watch) -> None:
        super().__init__(objectives, runner, watch)
        self.step = 1
        self.started_s = 0.0
        self.began: Figures | None = None
        self.kept: tuple[Figures, Generator] | None = None

    def at(self, seconds: float) -> float | None:
        rate, into_s = self.step * self.objectives.rate, seconds - self.started_s
        now = Figures.of(self.runner.stats.total, seconds)
        if not self.began:
            self.began = now if into_s >= SETTLING * self.objectives.duration_s else None
            return rate
        if into_s < self.objectives.duration_s:
            return rate
        done = now.since(self.began)
        keeps = self._keeps(done, rate)
        print(f"{rate:6,.0f} a second: {summary(done)}{'' if keeps else ', no more'}", flush=True)
        if keeps or not self.kept:
            self.kept = done, self.watch.figures()
        self.step, self.started_s, self.began = self.step + 1, seconds, None
        return self.step * self.objectives.rate if keeps and self.step <= STEPS else None

    def _keeps(self, done: Figures, rate: float) -> bool:
        offered = rate * done.seconds
        missing = offered - (done.requests - done.failed)
        return (
            missing <= max(MISSING * offered, DEVIATIONS * sqrt(offered))
            and done.failures <= self.objectives.failures
            and done.percentile_ms(0.50) <= self.objectives.p50_ms
            and done.percentile_ms(0.95) <= self.objectives.p95_ms
            and done.percentile_ms(0.99) <= self.objectives.p99_ms
        )

    def judged(self) -> tuple[Figures, Generator]:
        figures, generator = self.kept or super().judged()
        # Too little was kept up: then it matters who broke the next step.
        enough = figures.throughput >= self.objectives.throughput
        return figures, generator if enough else self.watch.figures()


def summary(done: Figures) -> str:
    """A step's figures in one line."""
    return f"{done.throughput:6,.0f} answered, p99 {done.percentile_ms(0.99):,} ms, {done.failures:.2%} failed"
