"""Where adding pods stops helping: limits of the cluster around them, on paper. Standard library only."""

from math import ceil, log
from statistics import mean

from loadtests import payloads
from loadtests.sizes import MIX

# https://kubernetes.io/docs/setup/best-practices/cluster-large
PODS_A_NODE = 110
# https://kubernetes.io/docs/reference/command-line-tools-reference/kube-proxy: the least that it sets a node to,
# --conntrack-min. An entry stays for the kernel's nf_conntrack_tcp_timeout_time_wait after its connection.
CONNTRACK_ENTRIES, CONNTRACK_S = 131_072, 120


def connections(pods: int, headroom: float) -> int:
    """The kept connections that all callers together must have, so that the busiest pod has no more than it bears.

    A Service sends each connection to a pod at random and leaves it there. Of m connections a pod on average, the
    busiest of p pods has about m + sqrt(2 m ln p): the largest of p Poisson variables, taken as normal. `headroom` is
    how many times the average a pod bears.
    """
    return max(pods, ceil(pods * 2 * log(pods) / (headroom - 1) ** 2))


def conntrack(rate: float, nodes: int) -> float:
    """Entries of a node for connections that are made anew, whose ends are on it."""
    return rate * MIX["new_connection"] * CONNTRACK_S / nodes


def gigabits(rate: float) -> float:
    """Gigabits a second of bodies alone."""
    single, batch = (mean(len(one.body) for one in some) for some in (payloads.singles(), payloads.batches()))
    return rate * 8e-9 * ((1 - MIX["batch"]) * single + MIX["batch"] * batch)


def limits(rate: float, needed: int, pods: int, nodes: int, kept: float) -> list[tuple[str, str]]:
    """What a plan asks of the cluster around the pods; BEYOND says which default it passes."""
    on_node, entries = ceil((pods + 1) / nodes), conntrack(rate, nodes)
    return [
        (
            "kept connections",
            f"{connections(needed, needed * kept / rate):,} or more; with fewer, balance by request (L7)",
        ),
        ("pods a node", f"{on_node:,} of {PODS_A_NODE}{_beyond(on_node, PODS_A_NODE)}"),
        ("conntrack a node", f"{entries:,.0f} of {CONNTRACK_ENTRIES:,}{_beyond(entries, CONNTRACK_ENTRIES)}"),
        ("bodies", f"{gigabits(rate):.2g} Gbit/s, {gigabits(rate) / nodes:.2g} a node"),
    ]


def _beyond(figure: float, limit: float) -> str:
    return " BEYOND: more nodes" if figure > limit else ""
