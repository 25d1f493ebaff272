"""The public API: /, /predict, /feedback, /health and its parts, /model, /example.

Turns requests into calls of the Classifier and its answers into responses. Errors are raised, and mapped in app.errors.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec
import numpy as np
from flask import Flask, Response, g, request
from flask.typing import ResponseReturnValue

from app import body, payload
from app.config import Settings
from app.feedback import Feedback
from app.metrics import Metrics
from app.model import Classifier

JSON = "application/json"
_ENCODER = msgspec.json.Encoder()


class Prediction(msgspec.Struct):
    """The answer to one image: the digit, its probability, and the probabilities of all ten digits."""

    prediction: int
    confidence: float
    probabilities: list[float]


class Predictions(msgspec.Struct):
    """The answer to several images, in their order."""

    predictions: list[Prediction]


class Confirmation(msgspec.Struct):
    """The answer to feedback: what was predicted, and whether that was the label."""

    request_id: str
    label: int
    prediction: int
    right: bool


class Readiness:
    """Whether new requests should come here. The server turns it off when it begins to stop."""

    def __init__(self) -> None:
        self.draining = False


class Api:
    """The views, with the objects that they work on."""

    def __init__(
        self,
        settings: Settings,
        classifier: Classifier,
        metrics: Metrics,
        feedback: Feedback,
        readiness: Readiness,
    ) -> None:
        self._settings = settings
        self._classifier = classifier
        self._metrics = metrics
        self._feedback = feedback
        self._readiness = readiness
        self._manifest = msgspec.json.encode(classifier.bundle.manifest.to_dict())
        self._example = msgspec.json.encode({"image": classifier.bundle.golden.cases[0].image})
        self._endpoints: list[str] = []

    def register(self, app: Flask) -> None:
        """Add the routes to an application."""
        routes: dict[str, Callable[[], ResponseReturnValue]] = {
            "/": self.index,
            "/predict": self.predict,
            "/feedback": self.feedback,
            "/health": self.health,
            "/health/live": self.live,
            "/health/ready": self.ready,
            "/model": self.model,
            "/example": self.example,
        }
        for rule, view in routes.items():
            method = "POST" if rule in {"/predict", "/feedback"} else "GET"
            app.add_url_rule(rule, view_func=view, methods=[method])
            self._endpoints.append(f"{method} {rule}")

    def index(self) -> Response:
        """Say what this is and what can be asked."""
        return _answer({"message": "MNIST digit classifier", "status": "running", "endpoints": self._endpoints})

    def predict(self) -> Response:
        """Classify one image or several."""
        data = body.read_json(request, self._settings.max_body_bytes)
        parsed = payload.parse_predict_request(data)
        if parsed.images is not payload.ABSENT:
            images = payload.parse_images(parsed.images, self._settings.max_batch)
            return _answer(Predictions(self._classify(images)))
        (prediction,) = self._classify([payload.parse_image(parsed.image, "image")])
        self._feedback.remember(g.request_id, prediction.prediction)
        g.prediction = prediction
        return _answer(prediction)

    def feedback(self) -> Response:
        """Take the right digit for a request of one image, so that accuracy in production is counted."""
        data = body.read_json(request, self._settings.max_body_bytes)
        given = payload.parse_feedback(data)
        prediction = self._feedback.confirm(given.request_id)
        right = prediction == given.label
        self._metrics.feedback(given.label, right)
        return _answer(Confirmation(given.request_id, given.label, prediction, right))

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

    def _classify(self, given: list[payload.Image]) -> list[Prediction]:
        images = np.stack([one.pixels for one in given])
        start = perf_counter()
        probabilities = self._classifier.predict(images)
        self._metrics.predicted(len(given), perf_counter() - start)
        predictions = [Prediction(int(row.argmax()), float(row.max()), row.tolist()) for row in probabilities]
        for one, prediction in zip(given, predictions, strict=True):
            self._metrics.image(one.kind, prediction.prediction, prediction.confidence, float(one.pixels.mean()))
        return predictions


def _answer(value: Any) -> Response:
    return Response(_ENCODER.encode(value), mimetype=JSON)
