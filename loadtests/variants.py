"""The service, changed in one place, as `make profile` compares it with the whole. Each function makes an application.

They reach into private parts on purpose: what a part costs is what the service costs less without it.
"""

import gc
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

import numpy as np

from app import connection, lane, main, payload, turns, worker
from loadtests import payloads
from loadtests.observability import Silent

_BODY = payloads.singles()[0].body
_HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"


def without_parsing() -> Any:
    """The body is read, but not parsed: each image is the same."""
    image = payload.parse_flat_request(_BODY)
    lane.payload.parse_flat_request = lambda _: image  # type: ignore[assignment]
    return main.from_environment()


def without_model() -> Any:
    application = main.from_environment()
    answer = np.full((1, 10), 0.1, np.float32)
    application.extensions["classifier"].predict = lambda _: answer
    return application


def without_feedback() -> Any:
    application = main.from_environment()
    application.extensions["lane"]._feedback = Silent()
    return application


def without_answering() -> Any:
    """Only received, framed, given its turn, and sent: each answer is the same."""
    application = main.from_environment()
    answer = application.extensions["lane"].answer(_HEAD, _BODY, 0.0, overloaded=True)
    application.extensions["lane"].answer = lambda *_, **__: answer
    return application


def without_garbage_collection() -> Any:
    application = main.from_environment()
    gc.disable()
    return application


def with_small_reads() -> Any:
    """A receive makes room for 16 KiB instead of 64."""
    connection._RECEIVE_BYTES = 16 * 1024
    return main.from_environment()


def with_lane_in_wsgi() -> Any:
    """Only Flask is left out: gunicorn parses the request and writes the answer."""
    worker.Worker._answer_soon = lambda *_: None  # type: ignore[method-assign]
    application = main.from_environment()

    class Short:
        """In place of Flask's application; whatever else is asked of it is Flask's."""

        def __getattr__(self, name: str) -> Any:
            return getattr(application, name)

        def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            if environ["PATH_INFO"] != "/predict":
                return application(environ, start_response)
            body = environ["wsgi.input"].read()
            answer = application.extensions["lane"].answer(_HEAD, body, environ["mnist.arrived"], overloaded=False)
            head, _, content = answer.partition(b"\r\n\r\n")
            fields = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n")[4:]]
            start_response("200 OK", fields)
            return [content]

    return Short()


def with_simdjson() -> Any:
    """Another parser of JSON, which gives numbers without making objects of them. Needs pysimdjson."""
    import simdjson

    parser = simdjson.Parser()

    def parse(data: bytes) -> payload.Image:
        document = parser.parse(data)
        numbers = np.frombuffer(document["image"].as_buffer(of_type="d"))
        if len(document) != 1 or len(numbers) != 784 or not (numbers.min() >= 0 and numbers.max() <= 1):
            raise ValueError
        return payload.Image(numbers.astype(np.float32).reshape(28, 28), "flat")

    lane.payload.parse_flat_request = parse
    return main.from_environment()


def with_turns_at_once() -> Any:
    """The first to come in each round of gevent's loop computes at once, without waiting for its turn."""

    class AtOnce(turns.Turns):
        def __init__(self) -> None:
            super().__init__()
            self._first = True
            self._rounds = self._hub.loop.prepare()
            self._rounds.start(self._begin)

        def _begin(self) -> None:
            self._first = True

        def wait(self) -> None:
            if self._first and not self._queue:
                self._first = False
            else:
                super().wait()

    worker.Turns = AtOnce  # type: ignore[misc]
    return main.from_environment()


def has_simdjson() -> bool:
    """Whether that parser is installed: it is no dependency."""
    return find_spec("simdjson") is not None
