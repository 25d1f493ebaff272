"""One client's connection: receives whole requests, in time. For gevent.

Imports app.framing only.
"""

from contextlib import suppress
from time import monotonic
from typing import Any

from gevent import get_hub, socket

from app import framing
from app.framing import NOT_PLAIN, Frame

# What is larger is not kept here until it is whole: a flood of it would take gigabytes of memory.
_LARGE_BYTES = 64 * 1024
_RECEIVE_BYTES = 64 * 1024
_READABLE = 1
_NEVER = float("inf")


class Connection:
    """A client's socket. Each request may take `limit_s` seconds to come."""

    __slots__ = ("_ahead", "_deadline", "_hub", "_limit_s", "_readable", "address", "client", "listener")

    def __init__(self, client: Any, listener: Any, address: Any, limit_s: float) -> None:
        """Take over an accepted socket; `listener` and `address` are the addresses of its two ends."""
        self.client, self.listener, self.address = client, listener, address
        self._hub = get_hub()
        self._readable = self._hub.loop.io(client.fileno(), _READABLE)
        self._limit_s = limit_s
        self._deadline = _NEVER
        self._ahead = b""

    def give_back(self, data: bytes) -> None:
        """Take back what was received, but belongs to the next request."""
        self._ahead = data

    def receive(self) -> tuple[bytes, Frame | None]:
        """Receive a whole small request, or the beginning of one that is not plain; there may be more after it.

        No frame: none came, and there will be none. Then the data are what came of it in the time that it had.
        """
        data = self._ahead
        self._deadline = monotonic() + self._limit_s
        try:
            while True:
                frame = framing.find(data)
                if frame and (frame is NOT_PLAIN or frame.length > _LARGE_BYTES):
                    return data, NOT_PLAIN
                if frame and frame.length <= len(data):
                    return data, frame
                # First, because a socket that has nothing says so by an exception, which costs more than to wait.
                self._hub.wait(self._readable)
                more = self.client.recv(_RECEIVE_BYTES)
                if not more:
                    # What the client did not finish is for the parser to judge, what it did not finish in time is not.
                    return data, NOT_PLAIN if data and self._deadline else None
                data = data + more if data else more
        finally:
            self._deadline = _NEVER

    def expect_until(self, deadline: float = _NEVER) -> None:
        """Set until when the rest of a request, which others read, has to have come; without a time, it has come."""
        self._deadline = deadline

    def end_if_late(self, now: float) -> None:
        """End the wait for a request that should have come by now: the client can receive still, but not send."""
        if now > self._deadline:
            self._deadline = 0
            with suppress(OSError):  # the client has reset the connection just now, which whoever waits for it sees
                self.client.shutdown(socket.SHUT_RD)

    def send(self, answer: bytes) -> None:
        """Send an answer: of a short one, the socket takes all at once."""
        sent = self.client.send(answer)
        if sent < len(answer):
            self.client.sendall(answer[sent:])

    def close(self) -> None:
        """Close the socket."""
        self._readable.close()
        self.client.close()
