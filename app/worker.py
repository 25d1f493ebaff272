"""The gunicorn worker: gevent, so that a slow client costs a greenlet and never a thread.

There may be no proxy in front. With thread workers, as many half-sent requests as there are threads stop the service.
Nothing here is monkey-patched: the only thing that this service waits for is a client's socket, which is gevent's
already; computing a prediction takes microseconds and yields to nobody.
"""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import gevent
from gevent import socket
from gevent.lock import BoundedSemaphore
from gunicorn import util
from gunicorn.workers.ggevent import GeventWorker

_LINGER_S = 2.0
_LINGER_BYTES = 1024 * 1024
# Bodies of more than one image are read a few at a time, or a flood of the largest would take gigabytes of memory.
# The others wait in their sockets.
_LARGE_BODIES = 8
_LARGE_BYTES = 32 * 1024

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Worker(GeventWorker):
    """GeventWorker without monkey-patching, with fair turns, honest closing and a readiness that falls first."""

    sockets: list[Any]
    wsgi: Any

    def patch(self) -> None:
        """Make the listening sockets gevent's. The base class would patch the standard library as well."""
        self.sockets = [socket.socket(s.FAMILY, socket.SOCK_STREAM, fileno=s.sock.detach()) for s in self.sockets]

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.flask = self.wsgi
        self.wsgi = _close_when_told(self.flask)
        self.large_bodies = BoundedSemaphore(_LARGE_BODIES)

    def handle_request(self, listener_name: Any, request: Any, client: Any, address: Any) -> Any:
        # A connection whose next request has always arrived already would otherwise never give way to the others.
        gevent.sleep(0)
        try:
            with self.large_bodies if _has_large_body(request) else nullcontext():
                return super().handle_request(listener_name, request, client, address)
        except StopIteration:
            # The connection closes. With unread bytes in its buffer the kernel would reset it, and the client would
            # lose the answer that says why: wait for the client to hang up, within bounds.
            util.close_graceful(client, _LINGER_S, _LINGER_BYTES)
            raise

    def handle_exit(self, *arguments: Any) -> None:
        self.flask.extensions["readiness"].draining = True
        super().handle_exit(*arguments)


def _has_large_body(request: Any) -> bool:
    """Whether a request announces a large body, or a chunked one, which may be."""
    for name, value in request.headers:
        if name == "CONTENT-LENGTH":
            return int(value) > _LARGE_BYTES
        if name == "TRANSFER-ENCODING":
            return True
    return False


def _close_when_told(app: Wsgi) -> Wsgi:
    """Let an application close its connection with `Connection: close`, a header that gunicorn drops."""

    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if ("Connection", "close") in headers:
                start_response.__self__.force_close()  # type: ignore[attr-defined]
            return start_response(status, headers, exc_info)

        return app(environ, start)

    return wsgi
