"""What was measured of one pod, read from a file such as capacity.toml. Standard library only."""

import tomllib
from dataclasses import dataclass, fields
from math import ceil
from pathlib import Path

from loadtests.queueing import Work

PATH = Path(__file__).parent / "capacity.toml"
# The chart's objectives; see helm/mnist-api/files/alerts.yaml.
WITHIN_MS, SHARE_WITHIN, ANSWERED = 50, 0.99, 0.999
# Of the rate that a pod keeps. The rest is for pods that get more than their share of the connections, and for the
# autoscaler, which lets the load grow by a tenth before it acts.
PLANNED = 0.7
# What Locust's users send, as shares of the requests, and the images in one; see locustfile.py.
MIX = {"single": 0.8, "batch": 0.1, "new_connection": 0.1}
IMAGES = {"single": 1, "batch": 10, "new_connection": 1}
IMAGES_A_REQUEST = sum(share * IMAGES[kind] for kind, share in MIX.items())
CPU_STEP = 0.01


class CapacityError(Exception):
    """The question or the figures cannot be used; the message says what is wrong and what to send."""


@dataclass(frozen=True)
class Size:
    """A pod of one worker under a limit of CPU cores: the rate it keeps, and its figures at PLANNED of that."""

    cpu: float
    kept: float
    planned_p50_ms: float
    planned_p99_ms: float
    planned_cpu_ms: float  # a request
    planned_throttled: float  # share of the periods of 100 ms in which the limit stopped it

    @property
    def planned(self) -> float:
        """The requests a second that it is planned for."""
        return PLANNED * self.kept

    @property
    def requested(self) -> float:
        """The cores to request: what it uses at the rate that it keeps, as far as the limit."""
        return min(self.cpu, ceil(self.kept * self.planned_cpu_ms / 1000 / CPU_STEP) * CPU_STEP)


@dataclass(frozen=True)
class Figures:
    """What was measured of one pod, and where."""

    measured: str
    cpu_ms: dict[str, float]
    sizes: tuple[Size, ...]

    @property
    def work(self) -> Work:
        return Work.of(MIX, self.cpu_ms)

    def size(self, cpu: float = 0) -> Size:
        """The size of this CPU limit; 0: the one that keeps most. Raises CapacityError."""
        found = [one for one in self.sizes if one.kept and (not cpu or one.cpu == cpu)]
        if not found:
            known = ", ".join(f"{one.cpu:g} keeps {one.kept:g}" for one in self.sizes)
            raise CapacityError(f"CPU={cpu:g}: no pod of this limit keeps a rate. Measured: {known} a second")
        return max(found, key=lambda one: one.kept)


def read(path: Path = PATH) -> Figures:
    """Read the file of figures. Raises CapacityError."""
    try:
        found = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CapacityError(f"{path}: {error}. `make capacity-figures` writes it") from error
    names = {field.name for field in fields(Size)}
    sizes, costs = found.get("sizes", []), found.get("cpu_ms", {})
    if not sizes or any(one.keys() != names for one in sizes):
        raise CapacityError(f"{path}: each of [[sizes]] must have {', '.join(sorted(names))}")
    if costs.keys() != MIX.keys():
        raise CapacityError(f"{path}: [cpu_ms] must have {', '.join(MIX)}")
    for name, value in [*costs.items(), *(item for one in sizes for item in one.items())]:
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise CapacityError(f"{path}: {name} = {value!r}: this must be a number, 0 or more")
    return Figures(str(found.get("measured", "")), costs, tuple(Size(**one) for one in sizes))
