"""The verdict on a load: each figure beside its objective, on one screen. Standard library only."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from loadtests.figures import Figures
from loadtests.objectives import Objectives

# Above this share of a core, a process that sends and reads requests measures itself.
CPU_LIMIT = 0.9
# If the generator's own waiting for the CPU can make up this share of the p99 objective, it is not the service's time.
LATE_SHARE = 0.5
ERRORS_SHOWN = 5


@dataclass(frozen=True)
class Generator:
    """What the processes that make the load know of themselves; of several, the busiest and the latest."""

    cpu: float = 0.0  # share of a core, at its peak
    late_ms: float = 0.0  # by which it was woken late, once in a hundred times

    def obstacles(self, objectives: Objectives) -> Iterator[str]:
        """What speaks against taking the figures for the service's."""
        if self.cpu > CPU_LIMIT:
            yield f"it used {self.cpu:.0%} of a core, more than {CPU_LIMIT:.0%}"
        if self.late_ms > LATE_SHARE * objectives.p99_ms:
            yield f"it waited {self.late_ms:.0f} ms for a core, once in a hundred times"


@dataclass(frozen=True)
class Row:
    """One figure and its objective. `sign` says how they must compare."""

    name: str
    figure: float
    sign: str
    objective: float
    form: str = "{:,.0f} ms"
    by_generator: bool = True  # whether a generator without a core to run on would be enough to break it

    @property
    def holds(self) -> bool:
        return self.figure <= self.objective if self.sign == "<=" else self.figure >= self.objective

    def shown(self, value: float) -> str:
        return self.form.format(value)

    @property
    def bound(self) -> str:
        return f"{self.sign} {self.shown(self.objective)}"

    def __str__(self) -> str:
        result = "ok" if self.holds else "FAILED"
        return f"  {self.name:<16}{self.shown(self.figure):>14}   {self.bound:<19}{result}"


@dataclass(frozen=True)
class Verdict:
    """A load's title, its figures beside their objectives, and what went wrong."""

    title: str
    rows: tuple[Row, ...]
    requests: int
    generator: Generator | None = None
    obstacles: tuple[str, ...] = ()
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why this is no pass; empty if it is one. A generator that was the bottleneck excuses all but failures."""
        if not self.requests:
            return ("FAILED: not one request was made",)
        broken = (row for row in self.rows if not row.holds and not (self.obstacles and row.by_generator))
        return (
            *(
                f"FAILED: {row.name} {row.shown(row.figure)}, not {row.sign} {row.shown(row.objective)}"
                for row in broken
            ),
            *(f"NO VERDICT: the load generator was the bottleneck: {one}" for one in self.obstacles),
        )

    @property
    def exit_code(self) -> int:
        return 1 if self.reasons else 0

    def __str__(self) -> str:
        lines = [self.title, "", *map(str, self.rows)]
        if self.generator:
            late = f"woken up to {self.generator.late_ms:.0f} ms late (p99)"
            lines += ["", f"  generator: {self.generator.cpu:.0%} of a core at its peak, {late}"]
        for error, count in self.errors.most_common(ERRORS_SHOWN):
            lines.append(f"  {count} failed: {error}")
        return "\n".join([*lines, "", *(self.reasons or ("PASSED",))])


def judge(title: str, figures: Figures, objectives: Objectives, generator: Generator, errors: Counter[str]) -> Verdict:
    """Put a load's figures beside its objectives."""
    rows = (
        Row("p50", figures.percentile_ms(0.50), "<=", objectives.p50_ms),
        Row("p95", figures.percentile_ms(0.95), "<=", objectives.p95_ms),
        Row("p99", figures.percentile_ms(0.99), "<=", objectives.p99_ms),
        Row("failures", figures.failures, "<=", objectives.failures, "{:.2%}", by_generator=False),
        Row("throughput", figures.throughput, ">=", objectives.throughput, "{:,.1f} a second"),
    )
    return Verdict(title, rows, figures.requests, generator, tuple(generator.obstacles(objectives)), errors)
