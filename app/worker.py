"""The gunicorn worker: gevent, so that a slow client costs a greenlet and never a thread.

There may be no proxy in front. With thread workers, as many half-sent requests as there are threads stop the service.
Nothing here is monkey-patched: the only thing that this service waits for is a client's socket, which is gevent's
already; computing a prediction takes microseconds and yields to nobody.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from time import perf_counter
from typing import Any

import gevent
from gevent import socket
from gevent.lock import BoundedSemaphore
from gunicorn import util
from gunicorn.http import errors as http_errors
from gunicorn.workers.ggevent import GeventWorker

from app import errors, logs, trace
from app.counts import mark_ended
from app.metrics import OTHER, UNMATCHED

_LINGER_S = 2.0
_LINGER_BYTES = 1024 * 1024
# Bodies of more than one image are read a few at a time, or a flood of the largest would take gigabytes of memory.
# The others wait in their sockets.
_LARGE_BODIES = 8
_LARGE_BYTES = 32 * 1024
_RETRY_AFTER_S = 1
_MALFORMED = "the request is not HTTP/1.1 that can be read. Check its first line, its headers and their ends of line."

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
# When the head of the request that a greenlet handles had been read, by perf_counter.
_arrived: ContextVar[float] = ContextVar("arrived")


class _Overloaded(Exception):
    """A request waited for its turn longer than it may."""


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
        self.settings = self.flask.extensions["settings"]
        self.metrics = self.flask.extensions["metrics"]
        self.wsgi = _between(self.flask)
        self.large_bodies = BoundedSemaphore(_LARGE_BODIES)
        self.metrics.worker.start()
        if self.settings.tracing == "on":
            trace.export(self.flask)

    def run(self) -> None:
        super().run()
        mark_ended()

    def notify(self) -> None:
        """Tell the arbiter each second that this worker lives, and take its figures."""
        super().notify()
        self.metrics.worker.update()

    def handle_request(self, listener_name: Any, request: Any, client: Any, address: Any) -> Any:
        arrived = perf_counter()
        _arrived.set(arrived)
        self.metrics.in_progress.inc()
        try:
            # A connection whose next request has always arrived already would otherwise never give way to the others.
            gevent.sleep(0)
            with self._turn(request):
                self.metrics.waited(perf_counter() - arrived)
                return super().handle_request(listener_name, request, client, address)
        except _Overloaded as error:
            self._refuse(client, 503, "overloaded", "too many large bodies are being read. Try again later.")
            raise StopIteration from error
        except StopIteration:
            # The connection closes. With unread bytes in its buffer the kernel would reset it, and the client would
            # lose the answer that says why: wait for the client to hang up, within bounds.
            util.close_graceful(client, _LINGER_S, _LINGER_BYTES)
            raise
        finally:
            self.metrics.in_progress.dec()

    @contextmanager
    def _turn(self, request: Any) -> Iterator[None]:
        """Wait until a request may be read. Raises _Overloaded if that takes longer than it may."""
        if not _has_large_body(request):
            yield
            return
        if not self.large_bodies.acquire(timeout=self.settings.queue_s):
            raise _Overloaded
        try:
            yield
        finally:
            self.large_bodies.release()

    def handle_error(self, _request: Any, client: Any, _address: Any, error: BaseException) -> None:
        """Answer what gunicorn itself cannot read: in our shape, counted, and without the caller's text in the log."""
        if isinstance(error, http_errors.LimitRequestLine):
            self._refuse(client, 414, "malformed", "the request's first line is too long.")
        elif isinstance(error, http_errors.LimitRequestHeaders):
            self._refuse(client, 431, "malformed", "the request's headers are too long, or too many.")
        elif isinstance(error, http_errors.ExpectationFailed):
            self._refuse(client, 417, "malformed", "the only expectation that is met is 100-continue.")
        elif isinstance(error, http_errors.ParseException):
            self._refuse(client, 400, "malformed", _MALFORMED)
        else:
            self.log.error("unexpected error outside the application", exc_info=error)
            self._refuse(client, 500, "internal_error", errors.UNEXPECTED)

    def _refuse(self, client: Any, status: int, code: str, message: str) -> None:
        """Answer a request that does not reach the application."""
        request_id = logs.request_id(None)
        content = errors.content(code, message, request_id)
        retry = f"Retry-After: {_RETRY_AFTER_S}\r\n" if status == 503 else ""
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n{logs.REQUEST_ID_HEADER}: {request_id}\r\n{retry}\r\n"
        )
        self.metrics.answered(OTHER, UNMATCHED, status)
        self.metrics.rejected(code)
        logs.request(status, request_id=request_id, error=code)
        try:
            client.sendall(head.encode() + content)
        except OSError as error:
            self.log.debug("the client of a refused request is gone: %s", error)
        util.close_graceful(client, _LINGER_S, _LINGER_BYTES)

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


def _between(app: Wsgi) -> Wsgi:
    """Hand on when a request arrived, and let the application close its connection, with a header gunicorn drops."""

    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["mnist.arrived"] = _arrived.get()

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if ("Connection", "close") in headers:
                start_response.__self__.force_close()  # type: ignore[attr-defined]
            return start_response(status, headers, exc_info)

        return app(environ, start)

    return wsgi
