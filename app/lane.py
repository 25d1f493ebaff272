"""The hot lane: `POST /predict` of one image of 784 numbers, answered before gunicorn parses and Flask routes.

Nearly all requests are this one, and to make an environ of its head, route it and write its answer costs more than to
predict. The lane takes a request only if nothing in it leaves a doubt: a head whose deciding fields are in their plain
form, and a body that is one whole image. Of anything else it says nothing and keeps nothing, and gunicorn and Flask
answer the same bytes as if it were not there: each error, each other form of an image, each unusual head.

So it has no answers of its own: what it does answer, tests/app/test_lane.py holds equal to Flask's, byte for byte.
And an application that does more with a request than this one does, for a hook that was added to it, has no lane.
"""

import re
from functools import lru_cache
from time import time
from typing import Any, NamedTuple

import msgspec
from flask import Flask
from gunicorn import SERVER, util

from app import logs, payload, trace
from app.config import Settings
from app.feedback import Feedback
from app.metrics import PREDICT
from app.observation import Answered, Observation
from app.predictor import Predictor

_HEAD_BYTES = 4096
_FIELDS = 64  # gunicorn refuses a hundred
_FIRST_LINE = b"POST /predict HTTP/1.1"
_FIELD = re.compile(rb"([A-Za-z0-9-]+):[ \t]*([!-~]+(?:[ \t]+[!-~]+)*)[ \t]*")
# The fields that decide, with the values that leave the request an ordinary one.
_PLAIN = {
    b"host": re.compile(rb"[A-Za-z0-9.:\[\]-]+"),
    b"connection": re.compile(rb"keep-alive", re.IGNORECASE),
    b"content-length": re.compile(rb"[0-9]+"),
    b"content-type": re.compile(rb"application/json(?:; ?charset=utf-8)?", re.IGNORECASE),
}
# Those that decide, too, and are left to gunicorn and Flask. All others say nothing to either of them, or to this
# service: the many that browsers and proxies add, and those that it passes on.
_LEFT = re.compile(rb"content-.*|transfer-encoding|expect|upgrade|te|trailer|x-forwarded-(?:protocol|ssl)")
_ENCODER = msgspec.json.Encoder()


class Asked(NamedTuple):
    """What the head of such a request says."""

    request_id: str | None
    traceparent: str | None


class Hooks(NamedTuple):
    """What an application does with each request, before and after its route, by the names of its blueprints."""

    before: dict[str | None, list[Any]]
    after: dict[str | None, list[Any]]
    others: tuple[Any, ...] = ()

    @classmethod
    def of(cls, app: Flask) -> "Hooks":
        """Those of an application."""
        others = (
            *(app.teardown_request_funcs, app.url_value_preprocessors, app.teardown_appcontext_funcs),
            vars(app).get("wsgi_app"),  # a middleware takes the place of the class's method
        )
        return cls(dict(app.before_request_funcs), dict(app.after_request_funcs), tuple(filter(None, others)))


class Lane:
    """Answers what it is sure of."""

    def __init__(
        self, settings: Settings, predictor: Predictor, feedback: Feedback, observation: Observation, hooks: Hooks
    ) -> None:
        self._limit_bytes = settings.max_body_bytes
        self._predictor = predictor
        self._feedback = feedback
        self._observation = observation
        self._hooks = hooks

    def stands_for(self, app: Flask) -> bool:
        """Whether all that the application does with a request is what the lane does, too."""
        return self._hooks == Hooks.of(app)

    def answer(self, head: bytes, body: bytes, arrived: float, *, overloaded: bool) -> bytes | None:
        """The answer's bytes, or None if the request has to go the usual way. `head` ends with its last line's end."""
        asked = read_head(head) if len(head) < _HEAD_BYTES else None
        if not asked or len(body) > self._limit_bytes:
            return None
        try:
            image = payload.parse_flat_request(body)
            (prediction,) = self._predictor.predict([image])
        except Exception:  # noqa: BLE001  # the usual way fails likewise, and then says why
            return None
        request_id = logs.request_id(asked.request_id)
        part = trace.continued(asked.traceparent)
        self._feedback.remember(request_id, prediction.prediction)
        content = _ENCODER.encode(prediction)
        one = Answered(request_id, part, arrived, "POST", PREDICT, 200, prediction)
        self._observation.take(one, overloaded=overloaded)
        return _HEAD % (_date(int(time())), len(content), request_id.encode(), part.header().encode()) + content


# As gunicorn and Flask write it.
_HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: " + bytes(SERVER, "ascii") + b"\r\nDate: %b\r\nConnection: keep-alive\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\nX-Request-Id: %b\r\ntraceparent: %b\r\n\r\n"
)


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return str(util.http_date(second)).encode()


# A client's requests begin alike, mostly.
@lru_cache(maxsize=256)
def read_head(head: bytes) -> Asked | None:
    """Read the head of a request for the lane; None if anything in it is not plain."""
    first, *lines = head.split(b"\r\n")
    if first != _FIRST_LINE or lines.pop() or len(lines) > _FIELDS:
        return None
    fields: dict[bytes, bytes] = {}
    for line in lines:
        if not (field := _read_field(line)) or field[0] in fields:
            return None
        fields[field[0]] = field[1]
    if b"host" not in fields or b"content-length" not in fields:
        return None
    return Asked(_text(fields.get(b"x-request-id")), _text(fields.get(b"traceparent")))


# Where each head has an id of its own, all of its other lines are alike.
@lru_cache(maxsize=1024)
def _read_field(line: bytes) -> tuple[bytes, bytes] | None:
    """Read a line's name, in lower case, and its value; None if it is not plain."""
    if not (found := _FIELD.fullmatch(line)):
        return None
    name, value = found[1].lower(), found[2]
    if plain := _PLAIN.get(name):
        return (name, value) if plain.fullmatch(value) else None
    return None if _LEFT.fullmatch(name) else (name, value)


def _text(value: bytes | None) -> str | None:
    return value.decode() if value else None
