"""Predictor: the one way from images to answers, whichever door they came through; counts each image.

Knows nothing of HTTP.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.image import PIXELS
from app.metrics import Metrics
from app.model import CLASSES, Classifier
from app.payload import Digit, Image

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]


class RankedDigit(msgspec.Struct):
    """A digit, and the probability that the image shows it."""

    digit: Digit
    probability: Probability


class Prediction(msgspec.Struct):
    """The answer to one image: the digit, its probability, and the probabilities of all ten digits.

    On demand also the most probable digits in order, and what the model saw, as the data: URL of a PNG.
    """

    prediction: Digit
    confidence: Probability
    probabilities: Annotated[list[Probability], msgspec.Meta(min_length=CLASSES, max_length=CLASSES)]
    top_k: list[RankedDigit] | msgspec.UnsetType = msgspec.UNSET
    preprocessed: str | msgspec.UnsetType = msgspec.UNSET


def answers(probabilities: NDArray[np.float32]) -> list[Prediction]:
    """The answers that rows of ten probabilities give, one an image."""
    return [_answer(row) for row in probabilities.tolist()]


class Predictor:
    """A Classifier, and the metrics that see what it is given and what it answers."""

    def __init__(self, classifier: Classifier, metrics: Metrics) -> None:
        self._classifier = classifier
        self._metrics = metrics

    def predict(self, given: Sequence[Image]) -> list[Prediction]:
        """Classify one image or several, at least one, as one batch. Answers in their order."""
        images = np.stack([one.pixels for one in given]) if len(given) > 1 else given[0].pixels[np.newaxis]
        start = perf_counter()
        probabilities = self._classifier.predict(images)
        self._metrics.predicted(len(given), perf_counter() - start)
        predictions = answers(probabilities)
        # As `mean` would, which takes thrice the time of a single image's sum.
        intensities = (np.add.reduce(images, axis=(1, 2)) / np.float32(PIXELS)).tolist()
        for one, prediction, intensity in zip(given, predictions, intensities, strict=True):
            self._metrics.image(one.kind, prediction.prediction, prediction.confidence, intensity)
        return predictions


def _answer(probabilities: list[float]) -> Prediction:
    confidence = max(probabilities)
    return Prediction(probabilities.index(confidence), confidence, probabilities)
