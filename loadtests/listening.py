"""How connections come to workers, by the kernel's options for listening sockets: a part of `make profile`.

For each option a service of two workers; all are asked in turns in one run. For Linux.
"""

import socket
import statistics
import time
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

from loadtests import payloads
from loadtests.observability import cpu_ns
from loadtests.open_loop import Generator, requests
from loadtests.service import TIMEOUT_S, Service
from training import pages

OPTIONS: dict[str, dict[str, Any]] = {
    "a socket for each, backlog 2,048, as it is": {"workers": 2},
    "one socket for both": {"workers": 1, "arguments": ("--workers", "2")},
    "backlog 64": {"workers": 2, "arguments": ("--backlog", "64")},
}
ROUNDS = 7
CONNECTIONS, RATE, SECONDS = 60, 1500, 2
BURST = 1000
_PROBE = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


class Round(NamedTuple):
    """What one round showed: the busier worker's share of the CPU, and the seconds that a burst took."""

    share: float
    burst_s: float


def busier_share(service: Service) -> float:
    """The busier worker's share of the CPU that requests on kept connections take, all opened at once."""
    workers = service.workers()
    with closing(Generator(service.port, requests(payloads.singles()), CONNECTIONS)) as generator:
        before = [cpu_ns(worker) for worker in workers]
        offered = generator.offer(RATE, SECONDS)
        assert not offered.failed, offered.outcomes
    took = [cpu_ns(worker) - start for worker, start in zip(workers, before, strict=True)]
    return max(took) / sum(took)


def burst_s(service: Service) -> float:
    """Seconds until all of so many connections, opened at once, have been answered."""
    begun = time.perf_counter()
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(socket.socket())) for _ in range(BURST)]
        for one in opened:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", service.port))
        for one in opened:
            one.settimeout(TIMEOUT_S)
            one.sendall(_PROBE)
            assert one.recv(4096).startswith(b"HTTP/1.1 200 ")
    return time.perf_counter() - begun


def table() -> str:
    """Measure, and give a table."""
    with ExitStack() as stack:
        services = {}
        for name, given in OPTIONS.items():
            services[name] = Service(**given)
            stack.callback(services[name].stop)
        found: dict[str, list[Round]] = {name: [] for name in services}
        for _ in range(ROUNDS):
            for name, service in services.items():
                found[name].append(Round(busier_share(service), burst_s(service)))
    head = (
        "two workers' sockets",
        f"busier worker's share, of {CONNECTIONS} connections",
        f"the worst of {ROUNDS}",
        f"{BURST:,} connections at once, s",
    )
    return pages.table(head, [_row(name, rounds) for name, rounds in found.items()])


def _row(name: str, rounds: list[Round]) -> list[str]:
    share, burst = (statistics.median(column) for column in zip(*rounds, strict=True))
    return [name, f"{share:.0%}", f"{max(one.share for one in rounds):.0%}", f"{burst:.2f}"]
