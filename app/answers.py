"""What the public API answers: its shapes, from which its description is made, too; and how a shape leaves as JSON.

Imports app.payload and app.predictor only.
"""

from typing import Any, Literal

import msgspec
from flask import Response

from app.payload import Digit, Flat
from app.predictor import Prediction

JSON = "application/json"
PNG = "image/png"
BINARY = "application/octet-stream"
_ENCODER = msgspec.json.Encoder()


class Index(msgspec.Struct):
    """What this is, and what can be asked."""

    message: str
    status: str
    endpoints: list[str]


class Predictions(msgspec.Struct):
    """The answer to several images, in their order."""

    predictions: list[Prediction]


class Confirmation(msgspec.Struct):
    """The answer to feedback: what was predicted, and whether that was the label."""

    request_id: str
    label: Digit
    prediction: Digit
    right: bool


class Health(msgspec.Struct):
    """Whether requests should come here, in one word, as in the original project."""

    status: Literal["healthy", "unhealthy"]
    model_loaded: bool


class Live(msgspec.Struct):
    """Whether the process can answer at all."""

    live: bool


class Ready(msgspec.Struct):
    """Whether new requests should come here."""

    ready: bool


class Example(msgspec.Struct):
    """A body that POST /predict takes: a real image of a digit."""

    image: Flat


def as_json(value: Any) -> Response:
    """The answer that holds a value."""
    return Response(_ENCODER.encode(value), mimetype=JSON)
