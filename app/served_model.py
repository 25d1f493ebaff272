"""The one model that is served, as the inference protocols speak of it: by name and version, ready or not.

Both protocols' doors classify through it, and what they classify is remembered and logged like POST /predict's.
"""

from collections.abc import Sequence

from flask import g
from werkzeug.routing import BaseConverter

from app.bundle import Manifest
from app.feedback import Feedback
from app.payload import Image
from app.predictor import Prediction, Predictor
from app.readiness import Readiness


class UnknownModel(Exception):
    """A path names a model, or a version of it, that is not served here."""


class NameConverter(BaseConverter):
    """A name in a path ends before a colon, too: behind it /v1/models/<model>:predict has its verb."""

    regex = "[^/:]+"


class ServedModel:
    """A Predictor, under the name and version of its model."""

    def __init__(
        self, name: str, manifest: Manifest, predictor: Predictor, feedback: Feedback, readiness: Readiness
    ) -> None:
        self.name = name
        self.manifest = manifest
        self._predictor = predictor
        self._feedback = feedback
        self._readiness = readiness

    @property
    def ready(self) -> bool:
        """Whether new requests should come here."""
        return not self._readiness.draining

    def require(self, name: str, version: str | None = None) -> None:
        """Raise UnknownModel unless this is the model, and the version if one is named."""
        if name != self.name:
            raise UnknownModel(f"there is no model {name[:64]!r} here. There is {self.name!r}.")
        if version not in {None, self.manifest.version}:
            raise UnknownModel(f"there is no such version of {self.name!r} here. There is {self.manifest.version!r}.")

    def classify(self, images: Sequence[Image]) -> list[Prediction]:
        """Classify the images of the request that is being answered; of one image, remember the digit for feedback."""
        predictions = self._predictor.predict(images)
        if len(predictions) == 1:
            (g.prediction,) = predictions
            self._feedback.remember(g.request_id, g.prediction.prediction)
        return predictions
