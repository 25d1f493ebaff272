"""The public API: /, /predict, /feedback, /health and its parts, /model, /example; and the page at /.

Turns requests into calls of the Predictor and its answers into responses. Errors are raised, and mapped in app.errors.
"""

from base64 import b64encode
from collections.abc import Callable

import msgspec
from flask import Flask, Response, current_app, g, request
from flask.typing import ResponseReturnValue

from app import body, content, pages, payload, picture, query, routes
from app.answers import JSON, PNG, Confirmation, Example, Health, Index, Live, Predictions, Ready, as_json
from app.config import Settings
from app.feedback import Feedback
from app.metrics import Metrics
from app.model import Classifier
from app.predictor import Prediction, Predictor, RankedDigit
from app.readiness import Readiness


class Api:
    """The views, with the objects that they work on."""

    def __init__(
        self,
        settings: Settings,
        classifier: Classifier,
        predictor: Predictor,
        metrics: Metrics,
        feedback: Feedback,
        readiness: Readiness,
    ) -> None:
        self._settings = settings
        self._predictor = predictor
        self._metrics = metrics
        self._feedback = feedback
        self._readiness = readiness
        self._manifest = msgspec.json.encode(classifier.bundle.manifest.to_dict())
        self._examples = {
            str(case.label): msgspec.json.encode(Example(case.image)) for case in classifier.bundle.golden.cases
        }

    def register(self, app: Flask) -> None:
        """Add the routes to an application."""
        views: dict[str, Callable[..., ResponseReturnValue]] = {
            "/": self.index,
            "/ui/<name>": pages.part,
            "/predict": self.predict,
            "/feedback": self.feedback,
            "/health": self.health,
            "/health/live": self.live,
            "/health/ready": self.ready,
            "/model": self.model,
            "/example": self.example,
        }
        for rule, view in views.items():
            method = "POST" if rule in {"/predict", "/feedback"} else "GET"
            app.add_url_rule(rule, view_func=view, methods=[method])

    def index(self) -> Response:
        """Say what this is and what can be asked; to a browser, give the page to draw on."""
        if pages.is_wanted():
            answer = pages.page("page.html")
        else:
            answer = as_json(Index("MNIST digit classifier", "running", routes.listed(current_app)))
        answer.vary.add("Accept")
        return answer

    def predict(self) -> Response:
        """Classify one image or several."""
        asked = query.parse(request.args.items(multi=True)) if request.query_string else query.NOTHING
        given = content.read(request, self._settings, raw=asked.raw)
        predictions = self._predictor.predict(given.images)
        if given.several:
            for image, prediction in zip(given.images, predictions, strict=True):
                _add(asked, image, prediction)
            return as_json(Predictions(predictions))
        (image,), (prediction,) = given.images, predictions
        self._feedback.remember(g.request_id, prediction.prediction)
        g.prediction = prediction
        if asked.explain and request.accept_mimetypes.best_match((JSON, PNG)) == PNG:
            return Response(picture.png(image.pixels), mimetype=PNG)
        _add(asked, image, prediction)
        return as_json(prediction)

    def feedback(self) -> Response:
        """Take the right digit for a request of one image, so that accuracy in production is counted."""
        data = body.read_json(request, self._settings.max_body_bytes)
        given = payload.parse_feedback(data)
        prediction = self._feedback.confirm(given.request_id)
        label = int(given.label)
        right = prediction == label
        self._metrics.feedback(label, right)
        return as_json(Confirmation(given.request_id, label, prediction, right))

    def health(self) -> ResponseReturnValue:
        """Say in one word whether requests should come here, as the original project did."""
        if self._readiness.draining:
            return as_json(Health("unhealthy", model_loaded=True)), 503
        return as_json(Health("healthy", model_loaded=True)), 200

    def live(self) -> Response:
        """Answer as long as the process can answer at all. Never touches the model: a restart would not mend it."""
        return as_json(Live(live=True))

    def ready(self) -> ResponseReturnValue:
        """Answer 200 if new requests should come here, 503 while the server stops."""
        return as_json(Ready(not self._readiness.draining)), 503 if self._readiness.draining else 200

    def model(self) -> Response:
        """Answer the manifest of the model that is served."""
        return Response(self._manifest, mimetype=JSON)

    def example(self) -> Response:
        """Answer a body that POST /predict takes: a real image, of the digit that `?digit=` asks for, or of any."""
        digits = list(self._examples)
        digit = query.read(request.args.items(multi=True), {"digit": digits}).get("digit", digits[0])
        return Response(self._examples[digit], mimetype=JSON)


def _add(asked: query.Query, image: payload.Image, prediction: Prediction) -> None:
    """Add to a prediction what the query asks for."""
    if asked.top_k:
        ranked = sorted(enumerate(prediction.probabilities), key=lambda one: -one[1])
        prediction.top_k = [RankedDigit(digit, probability) for digit, probability in ranked[: asked.top_k]]
    if asked.explain:
        prediction.preprocessed = f"data:{PNG};base64,{b64encode(picture.png(image.pixels)).decode()}"
