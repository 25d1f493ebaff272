"""The inference protocol V1, which TensorFlow Serving and KServe share: https://www.tensorflow.org/tfx/serving/api_rest.

Its errors have the protocol's own shape, see app.errors. It looks at no Content-Type: `curl -d`, with which TensorFlow
Serving's documents call it, names that of a form.
"""

import msgspec
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from app import body, payload, tensor
from app.answers import as_json
from app.config import Settings
from app.served_model import ServedModel


class PredictionRequest(msgspec.Struct):
    """The body of POST /v1/models/<model>:predict: a list of images, of one shape all. Other fields are ignored."""

    instances: msgspec.Raw


class PredictionResponse(msgspec.Struct):
    """The ten probabilities of each image, in the order of the instances."""

    predictions: list[list[float]]


class Models(msgspec.Struct):
    """The names of the models."""

    models: list[str]


class VersionStatus(msgspec.Struct):
    """The state of a version, as TensorFlow Serving tells it."""

    version: str
    state: str
    status: dict[str, str]


class ModelStatus(msgspec.Struct):
    """The state of the model, as KServe tells it, and beside it as TensorFlow Serving does."""

    name: str
    ready: bool
    model_version_status: list[VersionStatus]


class ProtocolV1:
    """The views of /v1."""

    def __init__(self, settings: Settings, model: ServedModel) -> None:
        self._settings = settings
        self._model = model

    def register(self, app: Flask) -> None:
        """Add the routes to an application."""
        app.add_url_rule("/v1/models", view_func=self.models)
        app.add_url_rule("/v1/models/<model>", view_func=self.model_status)
        app.add_url_rule("/v1/models/<model>:predict", view_func=self.predict_instances, methods=["POST"])

    def models(self) -> Response:
        """List the models that there are."""
        return as_json(Models([self._model.name]))

    def model_status(self, model: str) -> ResponseReturnValue:
        """Answer 200 if the model can be asked here, 503 while the server stops."""
        self._model.require(model)
        ready = self._model.ready
        state = "AVAILABLE" if ready else "UNLOADING"
        version = VersionStatus(self._model.manifest.version, state, {"error_code": "OK", "error_message": ""})
        return as_json(ModelStatus(self._model.name, ready, [version])), 200 if ready else 503

    def predict_instances(self, model: str) -> Response:
        """Classify a list of images."""
        self._model.require(model)
        data = body.read(request, self._settings.max_body_bytes)
        parsed: PredictionRequest = payload.decode(_REQUEST, data, "", tensor.SEND_LISTS)
        images = tensor.from_lists(parsed.instances, "instances", self._settings.max_batch)
        return as_json(PredictionResponse([one.probabilities for one in self._model.classify(images)]))


_REQUEST = msgspec.json.Decoder(PredictionRequest)
