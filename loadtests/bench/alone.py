"""What only this service is asked: whether two workers do twice the work of one, and what a batch saves. For Linux."""

from contextlib import ExitStack, closing
from typing import Any

from loadtests.bench import processes, questions
from loadtests.bench.catalogue import Peer
from loadtests.bench.environments import Environment
from loadtests.bench.measure import GENERATOR_CORES, SATURATED_S, SERVER_CORES, WARM_UP_S, all_right, saturate
from loadtests.bench.server import CORES, Server, on
from loadtests.open_loop import Generator, requests

# Enough that no worker runs out of them, wherever the kernel puts them.
CONNECTIONS = 16
BATCH, BATCH_CONNECTIONS = 100, 2
BYTES = "application/octet-stream"


def speed(server: Server, cores: list[int]) -> tuple[float, float]:
    """Right answers a second, and the same from cores that nobody else uses, not even the generator.

    What counts are the seconds that the server ran, and those that its cores were idle: in these it failed to run.
    """
    before = server.cpu_s() + processes.idle_s(cores)
    offered = saturate(server, SATURATED_S, CONNECTIONS)
    had_s = server.cpu_s() + processes.idle_s(cores) - before
    return offered.goodput, offered.outcomes["right"] / had_s * len(cores)


def two_workers(peer: Peer, environment: Environment, rounds: int) -> dict[str, list[float]]:
    """How many times the work of one worker on one core two do on two, in turns.

    Where there are but two cores, the generator needs its share of them. `ratio` leaves that out, `raw` does not.
    """
    measured: dict[str, list[float]] = {"ratio": [], "raw": []}
    with ExitStack() as stack:
        one, two = (
            _started(stack, Server(peer, environment, CORES[:workers], {"MNIST_WORKERS": str(workers)}))
            for workers in (1, 2)
        )
        with on(GENERATOR_CORES):
            for server in (one, two):
                saturate(server, WARM_UP_S, CONNECTIONS)
            for _ in range(rounds):
                (raw_one, fair_one), (raw_two, fair_two) = speed(one, CORES[:1]), speed(two, CORES[:2])
                measured["ratio"].append(fair_two / fair_one)
                measured["raw"].append(raw_two / raw_one)
    return measured


def batch(peer: Peer, environment: Environment, rounds: int) -> dict[str, list[float]]:
    """Images a second of CPU: alone, as batches of JSON, and as batches of bytes; in turns."""
    with ExitStack() as stack:
        server = _started(stack, Server(peer, environment, SERVER_CORES))
        asked = {
            "single": (requests(server.questions), 8, 1),
            "batch": (requests(questions.batch(BATCH)), BATCH_CONNECTIONS, BATCH),
            "bytes": (requests(questions.batch_of_bytes(BATCH), content_type=BYTES), BATCH_CONNECTIONS, BATCH),
        }
        measured: dict[str, list[float]] = {name: [] for name in asked}
        with on(GENERATOR_CORES):
            for index in range(rounds + 1):
                for name, (what, connections, images) in asked.items():
                    before = server.cpu_s()
                    with closing(Generator(server.port, what, connections)) as made:
                        offered = all_right(made.saturate(SATURATED_S if index else WARM_UP_S))
                    if index:
                        measured[name].append(images * offered.outcomes["right"] / (server.cpu_s() - before))
    return measured


def both(peer: Peer, environment: Environment, rounds: int) -> dict[str, Any]:
    return {"two_workers": two_workers(peer, environment, rounds), "batch": batch(peer, environment, rounds)}


def _started(stack: ExitStack, server: Server) -> Server:
    stack.callback(server.stop)
    return server
