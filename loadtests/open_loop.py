"""Offer requests at a rate, whether or not the earlier ones were answered, as callers do who do not know each other.

One thread, one epoll, requests made beforehand: it offers many times what the service can answer, from one core. Each
latency counts from the moment at which its request was due, so that a service that stalls is not spared the requests
that waited meanwhile. For Linux.
"""

import random
import select
import socket
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from time import perf_counter, process_time
from typing import Protocol

_HEAD = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n"
_CLOSE = b"Connection: close\r\n"
_JSON = "application/json"
_DRAIN_S = 2.0  # for which late answers are waited for
_WAIT_S = 0.05
_PATIENCE_S = 30.0  # with a service that is kept busy: then it stands still


class Asked(Protocol):
    """A body to send, and what is wrong with the body of an answer to it; empty if nothing is."""

    body: bytes

    def failure(self, answer: bytes) -> str: ...


@dataclass
class Offered:
    """What became of requests: counts by outcome, and seconds from due to answered of the right and the refused ones.

    Outcomes: right, wrong, a status that is not 200, broken (the connection ended without an answer), unanswered.
    """

    seconds: float
    outcomes: Counter[str] = field(default_factory=Counter)
    right_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    cpu_share: float = 0.0

    @property
    def goodput(self) -> float:
        """Right answers a second."""
        return self.outcomes["right"] / self.seconds

    @property
    def failed(self) -> int:
        """Requests that did not end in the right answer."""
        return self.outcomes.total() - self.outcomes["right"]

    def take(self, answer: bytes, payload: Asked, duration_s: float) -> None:
        """Count one answer."""
        head, _, body = answer.partition(b"\r\n\r\n")
        status = head[9:12].decode()
        if status == "200":
            status = "wrong" if payload.failure(body) else "right"
        self.outcomes[status] += 1
        if status == "right":
            self.right_s.append(duration_s)
        elif status == "503":
            self.refused_s.append(duration_s)


def percentile_ms(seconds: list[float], share: float) -> float:
    """The milliseconds within which this share ended; not a number if there were none."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))] * 1000 if seconds else float("nan")


def request(payload: Asked, path: str = "/predict", *, content_type: str = _JSON, closing: bool = False) -> bytes:
    """The bytes of a POST; `closing`: it is the last on its connection."""
    end = _CLOSE if closing else b""
    return _HEAD % (path.encode(), content_type.encode(), len(payload.body), end) + payload.body


def requests(
    payloads: Sequence[Asked], path: str = "/predict", *, content_type: str = _JSON, closing: bool = False
) -> list[tuple[bytes, Asked]]:
    """Each payload with the bytes of its POST."""
    return [(request(one, path, content_type=content_type, closing=closing), one) for one in payloads]


def times(rate: float, seconds: float, *, at_random: bool) -> list[float]:
    """When requests are due, in seconds from the start: evenly, or as callers come who know nothing of each other."""
    count = int(rate * seconds)
    if not at_random:
        return [index / rate for index in range(count)]
    return list(accumulate(random.expovariate(rate) for _ in range(count)))


class _Connection:
    """A kept connection: free, or with a request on it that was due at some time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.payload: Asked | None = None
        self.due = 0.0
        self.received = b""

    def receive(self) -> bytes | None:
        """An answer that is complete, or None; b"" if the connection has ended."""
        try:
            data = self.socket.recv(65536)
        except OSError:
            return b""
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not data:
            return b""
        if not end or len(body) < int(head.lower().partition(b"content-length:")[2].split(None, 1)[0]):
            return None
        answer, self.received = self.received, b""
        return answer


class Generator:
    """Offers requests in turns to a service on 127.0.0.1. A connection that ends is made anew, as long as that goes."""

    def __init__(self, port: int, asked: Sequence[tuple[bytes, Asked]], connections: int) -> None:
        """`asked`: what `requests` gives."""
        self._port = port
        self._requests = asked
        self._poll = select.epoll()
        self._open: dict[int, _Connection] = {}
        self._free: deque[_Connection] = deque()
        for _ in range(connections):
            self._connect()

    def offer(self, rate: float, seconds: float, *, at_random: bool = False) -> Offered:
        """Offer so many requests a second. Ends early if the service takes no more connections."""
        offered, cpu, due = Offered(seconds), process_time(), times(rate, seconds, at_random=at_random)
        start, total, sent = perf_counter(), len(due), 0
        while self._open and (sent < total or len(self._free) < len(self._open)):
            now = perf_counter()
            if now > start + seconds + _DRAIN_S:
                offered.outcomes["unanswered"] += len(self._open) - len(self._free) + total - sent
                break
            while self._free and sent < total and start + due[sent] <= now:
                self._send(self._free.popleft(), self._requests[sent % len(self._requests)], start + due[sent], offered)
                sent += 1
            next_s = start + due[sent] if self._free and sent < total else now + _WAIT_S
            for descriptor, _ in self._poll.poll(max(0.0, next_s - perf_counter())):
                self._receive(self._open[descriptor], offered)
        offered.seconds = max(seconds, perf_counter() - start)
        offered.cpu_share = (process_time() - cpu) / offered.seconds
        return offered

    def saturate(self, seconds: float) -> Offered:
        """Keep a request on every connection for so long. Ends early if the service takes no more connections."""
        offered, cpu, sent = Offered(seconds), process_time(), 0
        start = now = perf_counter()
        while self._open and (now < start + seconds or len(self._free) < len(self._open)):
            while self._free and now < start + seconds:
                self._send(self._free.popleft(), self._requests[sent % len(self._requests)], perf_counter(), offered)
                sent += 1
            for descriptor, _ in self._poll.poll(_WAIT_S):
                self._receive(self._open[descriptor], offered)
            now = perf_counter()
            if now > start + seconds + _PATIENCE_S:
                offered.outcomes["unanswered"] += len(self._open) - len(self._free)
                break
        offered.seconds = now - start
        offered.cpu_share = (process_time() - cpu) / offered.seconds
        return offered

    def close(self) -> None:
        """Close all connections."""
        for one in self._open.values():
            one.socket.close()
        self._poll.close()

    def _connect(self) -> None:
        try:
            made = _Connection(self._port)
        except OSError:
            return
        self._open[made.socket.fileno()] = made
        self._poll.register(made.socket, select.EPOLLIN)
        self._free.append(made)

    def _renew(self, ended: _Connection) -> None:
        del self._open[ended.socket.fileno()]
        if ended in self._free:
            self._free.remove(ended)
        ended.socket.close()
        self._connect()

    def _send(self, one: _Connection, what: tuple[bytes, Asked], due: float, offered: Offered) -> None:
        data, one.payload = what
        one.due = due
        try:
            one.socket.send(data)
        except OSError:
            offered.outcomes["broken"] += 1
            self._renew(one)

    def _receive(self, one: _Connection, offered: Offered) -> None:
        answer = one.receive()
        if answer is None:
            return
        payload, one.payload = one.payload, None
        if answer and payload:
            offered.take(answer, payload, perf_counter() - one.due)
            if b"\r\nconnection: close\r\n" not in answer.lower():
                self._free.append(one)
                return
        elif payload:
            offered.outcomes["broken"] += 1
        self._renew(one)
