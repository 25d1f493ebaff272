"""Clients that mean no good, and what honest ones notice of them. `make hostile`; for Linux.

Each kind of attack runs in a process of its own, on 127.0.0.1 only, while honest requests come at a rate. Gives 0 if
each of these had the right answer, and 99 % of them in time.
"""

import multiprocessing
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count

from loadtests import payloads
from loadtests.open_loop import Generator, Offered, percentile_ms, request, requests
from loadtests.service import Service
from loadtests.verdict import Row, Verdict

RATE, SECONDS, CONNECTIONS = 200.0, 6.0, 20
HOSTILE = 500
GATHERING_S = 3.0
P99_MS = 50.0
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
Attack = Callable[[int], None]


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def crowd(port: int, first: bytes, drop: bytes, period_s: float) -> None:
    """Keep HOSTILE connections open: send some bytes on each, then a drop from time to time; replace what is closed."""
    held: list[socket.socket | None] = [None] * HOSTILE
    for index in count():
        place = index % HOSTILE
        one = held[place]
        try:
            if one is None:
                held[place] = one = connect(port)
                one.sendall(first)
            elif drop:
                one.sendall(drop)
        except OSError:
            held[place] = None
        time.sleep(period_s / HOSTILE)


def one_by_one(port: int, data: bytes, *, reset: bool = False, half_close: bool = False, read: bool = True) -> None:
    """Connect, send, end the connection in some way, a hundred times a second."""
    for _ in count():
        with suppress(OSError), connect(port) as one:
            one.sendall(data)
            if half_close:
                one.shutdown(socket.SHUT_WR)
            if reset:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif read:
                one.recv(65536)
        time.sleep(0.01)


def idle(port: int) -> None:
    crowd(port, b"", b"", 1)


def slow_heads(port: int) -> None:
    crowd(port, HEAD, b"X: y\r\n", 2)


def slow_bodies(port: int) -> None:
    crowd(port, HEAD + b"Content-Length: 4000\r\n\r\n{", b" ", 2)


def slow_large_bodies(port: int) -> None:
    crowd(port, HEAD + b"Content-Length: 4000000\r\n\r\n{", b" ", 2)


def half_closed(port: int) -> None:
    one_by_one(port, request(payloads.singles()[0]), half_close=True)


def resets(port: int) -> None:
    one_by_one(port, request(payloads.singles()[0])[:-100], reset=True)


def gone_before_the_answer(port: int) -> None:
    one_by_one(port, request(payloads.singles()[0]), read=False)


def sent_ahead(port: int) -> None:
    one_by_one(port, request(payloads.singles()[0]) * 20)


def oversized_heads(port: int) -> None:
    one_by_one(port, HEAD + b"X: " + b"y" * 200_000)


def bodies_longer_than_said(port: int) -> None:
    one_by_one(port, HEAD + b"Content-Length: 2\r\n\r\n{}" + b"x" * 20_000)


def bodies_shorter_than_said(port: int) -> None:
    one_by_one(port, HEAD + b"Content-Length: 2000000\r\n\r\n{}", half_close=True)


ATTACKS: tuple[Attack, ...] = (
    *(idle, slow_heads, slow_bodies, slow_large_bodies, half_closed, resets, gone_before_the_answer, sent_ahead),
    *(oversized_heads, bodies_longer_than_said, bodies_shorter_than_said),
)


def honest_beside(attack: Attack, port: int) -> Offered:
    """Let honest clients come and ask while an attack goes on, from when it has all its connections."""
    process = multiprocessing.get_context("spawn").Process(target=attack, args=(port,), daemon=True)
    process.start()
    time.sleep(GATHERING_S)
    generator = Generator(port, requests(payloads.singles()), CONNECTIONS)
    try:
        offered = generator.offer(RATE, SECONDS)
    finally:
        generator.close()
        alive = process.is_alive()
        process.kill()
        process.join()
    if not alive:
        sys.exit(f"the attack {attack.__name__} has ended by itself: it shows nothing")
    return offered


def main() -> int:
    """Give 0 if no attack cost an honest client its answer, or its time."""
    service = Service()
    workers = service.workers()
    rows, asked = [], 0
    try:
        print(f"{RATE:.0f} honest requests a second beside each attack, {SECONDS:.0f} s", flush=True)
        for attack in ATTACKS:
            offered = honest_beside(attack, service.port)
            asked += offered.outcomes.total()
            name = attack.__name__.replace("_", " ")
            p99_ms = percentile_ms(offered.right_s, 0.99)
            print(f"  {name:<26} p99 {p99_ms:6.1f} ms, {dict(offered.outcomes)}", flush=True)
            rows.append(Row(f"{name}: failed", offered.failed, "<=", 0, "{:,.0f}"))
            rows.append(Row(f"{name}: p99", p99_ms, "<=", P99_MS))
        rows.append(Row("replaced workers", len(set(workers) - set(service.workers())), "<=", 0, "{:.0f}"))
    finally:
        service.stop()
    verdict = Verdict("Honest clients beside hostile ones", tuple(rows), asked)
    print("", *(verdict.reasons or ("PASSED",)), sep="\n")
    return verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
