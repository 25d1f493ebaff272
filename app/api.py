"""The public API: /, /predict, /health and its parts, /model, /example.

Turns requests into calls of the Classifier and its answers into responses. Errors are raised, and mapped in app.errors.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec
import numpy as np
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from app import body, image
from app.config import Settings
from app.metrics import Metrics
from app.model import Classifier

JSON = "application/json"
SEND = 'Send {"image": [784 numbers in 0..1]}, or {"images": [[784 numbers], ...]} for several.'


class InvalidJson(Exception):
    """The body is not JSON."""


class InvalidRequest(Exception):
    """The body is JSON of another shape than this path takes."""


class BatchTooLarge(Exception):
    """More images in one request than the service takes."""


ABSENT = msgspec.Raw()


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /predict: one of the two. An image is 784 numbers in 0..1, or 28 rows of 28."""

    image: msgspec.Raw = ABSENT
    images: msgspec.Raw = ABSENT


class Prediction(msgspec.Struct):
    """The answer to one image: the digit, its probability, and the probabilities of all ten digits."""

    prediction: int
    confidence: float
    probabilities: list[float]


class Predictions(msgspec.Struct):
    """The answer to several images, in their order."""

    predictions: list[Prediction]


class Readiness:
    """Whether new requests should come here. The server turns it off when it begins to stop."""

    def __init__(self) -> None:
        self.draining = False


class Api:
    """The views, with the objects that they work on."""

    def __init__(self, settings: Settings, classifier: Classifier, metrics: Metrics, readiness: Readiness) -> None:
        self._settings = settings
        self._classifier = classifier
        self._metrics = metrics
        self._readiness = readiness
        self._manifest = msgspec.json.encode(classifier.bundle.manifest.to_dict())
        self._example = msgspec.json.encode({"image": classifier.bundle.golden.cases[0].image})
        self._endpoints: list[str] = []

    def register(self, app: Flask) -> None:
        """Add the routes to an application."""
        routes: dict[str, Callable[[], ResponseReturnValue]] = {
            "/": self.index,
            "/predict": self.predict,
            "/health": self.health,
            "/health/live": self.live,
            "/health/ready": self.ready,
            "/model": self.model,
            "/example": self.example,
        }
        for rule, view in routes.items():
            method = "POST" if rule == "/predict" else "GET"
            app.add_url_rule(rule, view_func=view, methods=[method])
            self._endpoints.append(f"{method} {rule}")

    def index(self) -> Response:
        """Say what this is and what can be asked."""
        return _answer({"message": "MNIST digit classifier", "status": "running", "endpoints": self._endpoints})

    def predict(self) -> Response:
        """Classify one image or several."""
        data = body.read_json(request, self._settings.max_body_bytes)
        parsed = parse_predict_request(data)
        if parsed.images is not ABSENT:
            images = parse_images(parsed.images, self._settings.max_batch)
            return _answer(Predictions(self._classify(images)))
        (prediction,) = self._classify(parse_image(parsed.image, "image")[np.newaxis])
        return _answer(prediction)

    def health(self) -> ResponseReturnValue:
        """Say in one word whether requests should come here, as the original project did."""
        if self._readiness.draining:
            return _answer({"status": "unhealthy", "model_loaded": True}), 503
        return _answer({"status": "healthy", "model_loaded": True}), 200

    def live(self) -> Response:
        """Answer as long as the process can answer at all. Never touches the model: a restart would not mend it."""
        return _answer({"live": True})

    def ready(self) -> ResponseReturnValue:
        """Answer 200 if new requests should come here, 503 while the server stops."""
        return _answer({"ready": not self._readiness.draining}), 503 if self._readiness.draining else 200

    def model(self) -> Response:
        """Answer the manifest of the model that is served."""
        return Response(self._manifest, mimetype=JSON)

    def example(self) -> Response:
        """Answer a body that POST /predict takes: a real image of a digit."""
        return Response(self._example, mimetype=JSON)

    def _classify(self, images: image.Images) -> list[Prediction]:
        start = perf_counter()
        probabilities = self._classifier.predict(images)
        self._metrics.prediction(probabilities, perf_counter() - start)
        digits, rows = probabilities.argmax(axis=1).tolist(), probabilities.tolist()
        return [Prediction(digit, row[digit], row) for digit, row in zip(digits, rows, strict=True)]


def parse_predict_request(data: bytes) -> PredictRequest:
    """Parse the body of POST /predict. Raises InvalidJson and InvalidRequest."""
    if not data.strip():
        raise InvalidJson(f"the body is empty. {SEND}")
    parsed: PredictRequest = _decode(_PREDICT_REQUEST, data, "")
    if (parsed.image is ABSENT) == (parsed.images is ABSENT):
        found = "neither `image` nor `images`" if parsed.image is ABSENT else "both `image` and `images`"
        raise InvalidRequest(f"the body has {found}. {SEND}")
    return parsed


def parse_images(raw: msgspec.Raw, limit: int) -> image.Images:
    """Parse a list of images to float32 [n, 28, 28], n in 1..limit. Raises what parse_image does, and BatchTooLarge."""
    images = _decode(_RAW_LIST, raw, "images")
    if not images:
        raise InvalidRequest(f"`images` is empty. {SEND}")
    # First, because a single image sent as `images` is a list of 784, and the size of a batch is not its mistake.
    first = parse_image(images[0], "images[0]")
    if len(images) > limit:
        raise BatchTooLarge(f"`images` holds {len(images)} images; at most {limit} are taken. Send several requests.")
    return np.stack([first, *(parse_image(one, f"images[{index}]") for index, one in enumerate(images[1:], 1))])


def parse_image(raw: msgspec.Raw, name: str) -> image.Images:
    """Parse 784 numbers, or 28 rows of 28, to float32 [28, 28]. Raises InvalidJson, InvalidRequest and InvalidImage."""
    try:
        numbers = _decode(_NUMBERS, raw, name)
    except InvalidRequest as error:
        if "got `array`" not in str(error):
            raise
        return image.from_rows(_decode(_ROWS, raw, name), name)
    return image.from_numbers(numbers, name)


_PREDICT_REQUEST = msgspec.json.Decoder(PredictRequest)
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_NUMBERS = msgspec.json.Decoder(list[float])
_ROWS = msgspec.json.Decoder(list[list[float]])
_ENCODER = msgspec.json.Encoder()


def _decode(decoder: msgspec.json.Decoder[Any], data: bytes | msgspec.Raw, name: str) -> Any:
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        where = f"`{name}{place.rstrip('`')}`" if name or place else "the body"
        raise InvalidRequest(f"{where}: {what[0].lower()}{what[1:]}. {SEND}") from error
    except RecursionError as error:
        raise InvalidJson(f"the body is nested too deeply. {SEND}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidJson(
            f"the body is not JSON that can be read: {error}. JSON has no NaN and no Infinity. {SEND}"
        ) from error


def _answer(value: Any) -> Response:
    return Response(_ENCODER.encode(value), mimetype=JSON)
