"""The Open Inference Protocol V2 over REST: what its clients ask of a server, of a model, and of a prediction.

Its errors have the protocol's own shape, see app.errors. As Triton does, it looks at no Content-Type: clients send
none, or another than they mean.
"""

import msgspec
from flask import Flask, Response, g, request
from flask.typing import ResponseReturnValue

from app import body, inference_request, tensor
from app.answers import BINARY, JSON, Live, as_json
from app.config import Settings
from app.inference_metadata import ModelMetadata, ModelReady, ServerMetadata, ServerReady
from app.inference_response import Responder
from app.served_model import ServedModel

_EXTENSIONS = ("binary_tensor_data", "classification")
_PLATFORM = "litert_tflite"


class InferenceProtocol:
    """The views of /v2."""

    def __init__(self, settings: Settings, model: ServedModel) -> None:
        self._settings = settings
        self._model = model
        self._responder = Responder(model.name, model.manifest.version, model.manifest.labels)

    def register(self, app: Flask) -> None:
        """Add the routes to an application. Those of a model are there with and without its version."""
        app.add_url_rule("/v2", view_func=self.server_metadata, strict_slashes=False)
        app.add_url_rule("/v2/health/live", view_func=self.server_live)
        app.add_url_rule("/v2/health/ready", view_func=self.server_ready)
        for rule in ("/v2/models/<model>", "/v2/models/<model>/versions/<version>"):
            app.add_url_rule(rule, view_func=self.model_metadata)
            app.add_url_rule(f"{rule}/ready", view_func=self.model_ready)
            app.add_url_rule(f"{rule}/infer", view_func=self.infer, methods=["POST"])

    def server_metadata(self) -> Response:
        """Say what this server is, and which extensions of the protocol it has."""
        return as_json(ServerMetadata("mnist-api", self._settings.version, _EXTENSIONS))

    def server_live(self) -> Response:
        """Answer as long as the process can answer at all."""
        return as_json(Live(live=True))

    def server_ready(self) -> ResponseReturnValue:
        """Answer 200 if new requests should come here, 503 while the server stops."""
        return as_json(ServerReady(self._model.ready, live=True)), 200 if self._model.ready else 503

    def model_metadata(self, model: str, version: str | None = None) -> Response:
        """Say what the model takes and gives."""
        self._model.require(model, version)
        taken = {"parameters": {"datatypes": tensor.DATATYPES, "shapes": tensor.SHAPES}}
        metadata = {
            "name": self._model.name,
            "versions": [self._model.manifest.version],
            "platform": _PLATFORM,
            "inputs": [inference_request.INPUT | taken],
            "outputs": list(inference_request.OUTPUTS.values()),
        }
        return as_json(msgspec.convert(metadata, ModelMetadata))

    def model_ready(self, model: str, version: str | None = None) -> ResponseReturnValue:
        """Answer 200 if the model can be asked here, 503 while the server stops."""
        self._model.require(model, version)
        return as_json(ModelReady(self._model.name, self._model.ready)), 200 if self._model.ready else 503

    def infer(self, model: str, version: str | None = None) -> Response:
        """Classify the images of a tensor."""
        self._model.require(model, version)
        data = body.read(request, self._settings.max_body_bytes)
        json_length = request.headers.get(inference_request.LENGTH_HEADER)
        asked = inference_request.parse(data, json_length, self._settings.max_batch)
        predictions = self._model.classify(asked.images)
        # Without an id of the caller's, ours: under it, feedback on one image can be given.
        encoded = self._responder.encode(predictions, asked.outputs, g.request_id if asked.id is None else asked.id)
        if encoded.json_length is None:
            return Response(encoded.body, mimetype=JSON)
        headers = {inference_request.LENGTH_HEADER: str(encoded.json_length)}
        return Response(encoded.body, mimetype=BINARY, headers=headers)
