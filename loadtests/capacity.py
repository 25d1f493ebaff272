"""How many pods of which size serve a rate within the objectives, and what they cost: `make capacity RATE=300`.

Computes with figures that were measured: loadtests/capacity.toml, which `make capacity-figures` writes. Standard
library only. docs/CAPACITY.md says what the answer holds for.
"""

import argparse
import sys
from dataclasses import dataclass
from math import ceil, floor, isfinite
from pathlib import Path

from loadtests import scaling
from loadtests.sizes import (
    ANSWERED,
    IMAGES_A_REQUEST,
    PATH,
    PLANNED,
    SHARE_WITHIN,
    WITHIN_MS,
    CapacityError,
    Figures,
    Size,
    read,
)

# MNIST_QUEUE_MS: who would wait longer is refused.
QUEUE_MS = 30


@dataclass(frozen=True)
class Plan:
    """The answer for a rate: `needed` pods serve it, and `pods` are those that are left when a node is lost, and it."""

    rate: float
    nodes: int
    size: Size
    needed: int
    pods: int
    most: int

    @property
    def lost(self) -> int:
        """The pods that are lost with a node, where they are spread evenly."""
        return ceil(self.pods / self.nodes)

    @property
    def target(self) -> int:
        """The autoscaler's target, in percent of the requested CPU: reached where a lost node would be too much."""
        return floor(100 * PLANNED * (self.pods - self.lost) / self.pods)

    @property
    def cores(self) -> float:
        """The cores that all pods request."""
        return self.pods * self.size.requested

    @property
    def core_s_a_million(self) -> float:
        """Requested core-seconds for a million predictions."""
        return self.cores * 1e6 / (self.rate * IMAGES_A_REQUEST)


def with_spare(needed: int, nodes: int) -> int:
    """The fewest pods of which this many are left when a node is lost."""
    pods = needed + 1
    while pods - ceil(pods / nodes) < needed:
        pods += 1
    return pods


def plan(figures: Figures, rate: float, nodes: int, cpu: float = 0) -> Plan:
    """Answer for a rate of requests a second, on this many nodes. Raises CapacityError."""
    if not (isfinite(rate) and rate > 0):
        raise CapacityError(f"RATE={rate:g}: send the requests a second that must be borne at once, more than 0")
    if nodes < 2:
        raise CapacityError(f"NODES={nodes}: a lost node takes every pod of a single one. Send 2 or more")
    size = figures.size(cpu)
    needed = ceil(rate / size.planned)
    return Plan(rate, nodes, size, needed, with_spare(needed, nodes), with_spare(ceil(2 * rate / size.planned), nodes))


def values(found: Plan) -> list[str]:
    """The plan as values of the chart."""
    return [
        "autoscaling.enabled=true",
        f"autoscaling.minReplicas={found.pods}",
        f"autoscaling.maxReplicas={found.most}",
        f"autoscaling.targetCPUUtilizationPercentage={found.target}",
        f"resources.requests.cpu={round(1000 * found.size.requested)}m",
        f"resources.limits.cpu={round(1000 * found.size.cpu)}m",
    ]


def price_of(found: Plan, a_core_hour: float) -> float:
    """What a million predictions cost. Raises CapacityError."""
    if not (isfinite(a_core_hour) and a_core_hour >= 0):
        raise CapacityError(f"PRICE={a_core_hour:g}: send what a core costs for an hour, 0 or more")
    return found.core_s_a_million / 3600 * a_core_hour


def report(figures: Figures, found: Plan, a_core_hour: float | None) -> str:
    """The answer on one screen. Raises CapacityError."""
    size, work = found.size, figures.work
    cost = f"{found.core_s_a_million:,.0f} core-seconds requested"
    if a_core_hour is not None:
        cost += f", {price_of(found, a_core_hour):.4g} at {a_core_hour:g} a core-hour"
    kept, wait_ms = work.highest_rate(QUEUE_MS, 1 - ANSWERED), work.percentile_ms(size.planned, SHARE_WITHIN)
    rows = [
        ("objectives", f"{SHARE_WITHIN:.0%} within {WITHIN_MS} ms, {ANSWERED:.1%} answered"),
        ("measured", figures.measured),
        (
            "a pod",
            f"one worker, at most {size.cpu:g} core: keeps {size.kept:,.0f}, planned {size.planned:,.0f} a second",
        ),
        (
            "planned, measured",
            f"p99 {size.planned_p99_ms:g} ms, stopped in {size.planned_throttled:.1%} of the periods",
        ),
        ("by theory, no limit", f"keeps {kept:,.0f}; p99 of the wait {wait_ms:.1f} ms at the planned rate"),
        ("pods needed", f"{found.needed:,}"),
        ("pods", f"{found.pods:,}, since a lost node takes {found.lost:,}"),
        ("an upgrade", f"takes none away; it needs room for one more, {size.requested:.2f} core"),
        ("nodes", f"{found.nodes:,}, each with {(found.pods + 1) / found.nodes * size.requested:,.2f} cores for them"),
        ("a million predictions", cost),
        *scaling.limits(found.rate, found.needed, found.pods, found.nodes, size.kept),
    ]
    options = " \\\n".join(f"  --set {value}" for value in values(found))
    lines = [f"{found.rate:,g} requests a second", "", *(f"  {name:<23}{text}" for name, text in rows)]
    return "\n".join([*lines, "", "helm upgrade --install mnist helm/mnist-api \\", options])


def main() -> int:
    """Print the answer; give 2 if the question cannot be answered."""
    parser = argparse.ArgumentParser("python -m loadtests.capacity", description="Say how many pods a rate needs.")
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--nodes", type=int, default=3, help="nodes that the pods are spread over (default: 3)")
    parser.add_argument("--cpu", type=float, default=0, help="the pod's CPU limit (default: what keeps most)")
    parser.add_argument("--price", type=float, help="of a core for an hour, in any currency")
    parser.add_argument("--figures", type=Path, default=PATH, help="the file of figures (default: %(default)s)")
    given = parser.parse_args()
    try:
        figures = read(given.figures)
        print(report(figures, plan(figures, given.rate, given.nodes, given.cpu), given.price))
    except CapacityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
