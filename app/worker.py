"""The gunicorn worker: gevent, so that a slow client costs a greenlet and never a thread.

There may be no proxy in front. With thread workers, as many half-sent requests as there are threads stop the service.
Nothing here is monkey-patched: the only thing that this service waits for is a client's socket, which is gevent's
already; computing a prediction takes microseconds and yields to nobody.
"""

from functools import partial
from time import monotonic, perf_counter
from typing import Any

from gevent import socket
from gunicorn import util
from gunicorn.http import errors as http_errors
from gunicorn.http import get_parser
from gunicorn.workers.ggevent import GeventWorker

from app import environ, errors, logs, refusals, trace
from app.admission import Admission
from app.connection import Connection
from app.counts import mark_ended
from app.framing import NOT_PLAIN, Frame
from app.lane import Lane
from app.metrics import OTHER, UNMATCHED
from app.room import Room
from app.turns import Turns

_LINGER_S = 2.0
_LINGER_BYTES = 1024 * 1024
# What a worker holds of bodies that are still coming, in bodies of the largest size: a flood of them would take
# gigabytes. The rest waits in its sockets.
_LARGEST_BODIES = 8
_TOO_MANY = "more requests come than can be answered in good time. Send this one again as Retry-After says."
_TOO_SLOW = "the request did not come in time. Send head and body at once, and sooner."
_MALFORMED = "the request is not HTTP/1.1 that can be read. Check its first line, its headers and their ends of line."
_UNREADABLE = (
    (http_errors.LimitRequestLine, 414, "the request's first line is too long."),
    (http_errors.LimitRequestHeaders, 431, "the request's headers are too long, or too many."),
    (http_errors.ExpectationFailed, 417, "the only expectation that is met is 100-continue."),
    (http_errors.ParseException, 400, _MALFORMED),
)


class Worker(GeventWorker):
    """GeventWorker without monkey-patching; with admission, fair turns, honest closing, readiness that falls first."""

    sockets: list[Any]
    wsgi: Any

    def patch(self) -> None:
        """Make the listening sockets gevent's. The base class would patch the standard library as well."""
        self.sockets = [socket.socket(s.FAMILY, socket.SOCK_STREAM, fileno=s.sock.detach()) for s in self.sockets]
        # Asked for now: a connection may be taken, and served after its listener was closed.
        self.addresses = {listener: listener.getsockname() for listener in self.sockets}

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.flask = self.wsgi
        self.settings = self.flask.extensions["settings"]
        self.metrics = self.flask.extensions["metrics"]
        self.wsgi = environ.between(self.flask)
        self.turns = Turns()
        self.admission = Admission(self.turns, self.settings.queue_requests, self.settings.queue_ms / 1000)
        self.connections: set[Connection] = set()
        self.room = Room(_LARGEST_BODIES * self.settings.max_body_bytes)
        self.metrics.worker.start()
        if self.settings.tracing == "on":
            trace.export(self.flask)
        lane = self.flask.extensions["lane"]
        self.lane: Lane | None = lane if lane.stands_for(self.flask) else None
        if not self.lane:
            self.log.info("the hot lane is off: hooks of the application see every request")

    def run(self) -> None:
        super().run()
        mark_ended()

    def notify(self) -> None:
        """Tell the arbiter each second that this worker lives, take its figures, and log how many it refused."""
        super().notify()
        self.metrics.worker.update()
        now = monotonic()
        for connection in self.connections:
            connection.end_if_late(now)
        if refused := self.admission.take_refused():
            self.log.warning("overloaded: requests were refused", extra={"refused": refused})

    def handle(self, listener: Any, client: Any, address: Any) -> None:
        """Serve a connection until either side has enough.

        The base class's loop parses a request before anyone can refuse it, which costs more than a refusal may.
        """
        parser = get_parser(self.cfg, client, address)
        connection = Connection(client, self.addresses[listener], address, self.settings.keepalive_s)
        self.connections.add(connection)
        try:
            while self._serve_next(connection, parser):
                pass
        except (http_errors.NoMoreData, StopIteration) as error:
            self.log.debug("a connection ends: %s", error)
        except OSError as error:
            self.log.debug("a client is gone: %s", error)
        except Exception as error:  # noqa: BLE001  # what else a parser may raise is for handle_error to tell apart
            self.handle_error(None, client, address, error)
        finally:
            self.connections.discard(connection)
            connection.close()

    def _serve_next(self, connection: Connection, parser: Any) -> bool:
        """Receive a request, and answer it or refuse it. False if the connection ends."""
        data, frame = connection.receive()
        if not frame:
            if data:
                self._refuse(connection.client, 408, "request_timeout", _TOO_SLOW)
            return False
        if frame is not NOT_PLAIN and not self.admission.takes(frame.head):
            return self._shed(connection, data, frame)
        arrived = perf_counter()
        self.metrics.in_progress(1)
        try:
            if frame is NOT_PLAIN:
                parser.unreader.unread(data)
                return self._answer_late(connection, parser, arrived)
            # Also because a connection whose next request is always there would otherwise never give way to others.
            self.turns.wait()
            waited_s = perf_counter() - arrived
            if self.admission.is_too_late(frame.head, waited_s):
                self.turns.give_up()
                return self._shed(connection, data, frame)
            self.metrics.waited(waited_s)
            if answer := self._answer_soon(data, frame, arrived):
                connection.give_back(data[frame.length :])
                connection.send(answer)
                return True
            parser.unreader.unread(data)
            self._answer(connection, next(parser), {"mnist.arrived": arrived})
            connection.give_back(parser.unreader.take_buffered())
            return True
        finally:
            self.metrics.in_progress(-1)

    def _shed(self, connection: Connection, data: bytes, frame: Frame) -> bool:
        """Refuse a request for overload, unparsed. False if the connection ends."""
        self.admission.refuse()
        self.metrics.shed()
        connection.give_back(data[frame.length :])
        request_id = refusals.request_id(data, frame)
        protocols = refusals.is_protocols(frame)
        connection.send(
            refusals.answer(503, "overloaded", _TOO_MANY, request_id, closing=frame.is_last, protocols=protocols)
        )
        return not frame.is_last

    def _answer_soon(self, data: bytes, frame: Frame, arrived: float) -> bytes | None:
        """The hot lane's answer; None where it has none, and where more is to be done than it does."""
        if self.lane is None or not self.alive:
            return None
        end = len(frame.head)
        overloaded = self.admission.is_refusing()
        return self.lane.answer(data[:end], data[end + 2 : frame.length], arrived, overloaded=overloaded)

    def _answer_late(self, connection: Connection, parser: Any, arrived: float) -> bool:
        """Answer a request whose head or body is still to be received, with its turn when that is done."""
        request = None
        with self.timeout_ctx():
            request = next(parser)
        if not request:
            return False
        claim = self.room.claim(self.settings.large_body_wait_s)
        connection.expect_until(claim.deadline)
        told = {"mnist.arrived": arrived, "mnist.claim": claim, "mnist.turn": partial(self._turn, connection)}
        try:
            self._answer(connection, request, told)
        finally:
            claim.end()
            connection.expect_until()
        connection.give_back(parser.unreader.take_buffered())
        return True

    def _turn(self, connection: Connection) -> None:
        """Wait for a turn, once the whole of a request has come."""
        connection.expect_until()
        start = perf_counter()
        self.turns.wait()
        self.metrics.waited(perf_counter() - start)

    def _answer(self, connection: Connection, request: Any, told: dict[str, Any]) -> None:
        """Let the application answer. Raises StopIteration if the connection ends with that."""
        environ.told.set(told | {"mnist.overloaded": self.admission.is_refusing()})
        try:
            self.handle_request(connection.listener, request, connection.client, connection.address)
        except StopIteration:
            # The connection closes. With unread bytes in its buffer the kernel would reset it, and the client would
            # lose the answer that says why: wait for the client to hang up, within bounds.
            util.close_graceful(connection.client, _LINGER_S, _LINGER_BYTES)
            raise

    def handle_error(self, _request: Any, client: Any, _address: Any, error: BaseException) -> None:
        """Answer what gunicorn itself cannot read: in our shape, counted, and without the caller's text in the log."""
        for kind, status, message in _UNREADABLE:
            if isinstance(error, kind):
                self._refuse(client, status, "malformed", message)
                return
        self.log.error("unexpected error outside the application", exc_info=error)
        self._refuse(client, 500, "internal_error", errors.UNEXPECTED)

    def _refuse(self, client: Any, status: int, code: str, message: str) -> None:
        """Answer a request that does not reach the application."""
        request_id = logs.request_id(None)
        self.metrics.answered(OTHER, UNMATCHED, status)
        self.metrics.rejected(code)
        logs.request(status, request_id=request_id, error=code)
        try:
            client.sendall(refusals.answer(status, code, message, request_id.encode()))
        except OSError as error:
            self.log.debug("the client of a refused request is gone: %s", error)
        util.close_graceful(client, _LINGER_S, _LINGER_BYTES)

    def handle_exit(self, *arguments: Any) -> None:
        self.flask.extensions["readiness"].draining = True
        super().handle_exit(*arguments)
