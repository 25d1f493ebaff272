"""Calibration: one temperature that makes a model's confidence mean how often it is right, folded into its weights.

Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2. Label smoothing teaches too little confidence
and long training too much; dividing the logits by one number mends most of either and changes no answer.
"""

import keras
import numpy as np
from numpy.typing import NDArray

from app.image import from_bytes
from training.data import Split
from training.evaluate import expected_calibration_error

# A model that reads every image of the split right looks ever better as the temperature falls to zero, and would in the
# end answer nothing but 0 and 1. What training leaves, even with half of each label smoothed away, is within a factor
# of five.
COLDEST, HOTTEST = 0.2, 5.0
HALVINGS = 50  # of the interval that holds the best temperature; leaves float64's last digits


def calibrated(model: keras.Model, split: Split) -> tuple[keras.Model, float]:
    """Fit the temperature on a split that chose no weight; return the calibrated copy of a model, and the temperature.

    A model is returned as it is, with temperature 1, if it does not end in a Dense softmax, or if the fitted
    temperature does not lower its expected calibration error: few grave mistakes rule the likelihood, and a network
    that is well calibrated but for them would become too careful. The mlp's error would rise from 0.3 % to 0.6 %.
    """
    if not _ends_in_softmax(model):
        return model, 1.0
    logits = _logits(model, split)
    fitted = temperature(logits, split.labels)
    if _calibration_error(logits / fitted, split.labels) >= _calibration_error(logits, split.labels):
        return model, 1.0
    return divided(model, fitted), fitted


def temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The temperature T that minimises the mean negative log likelihood of softmax(logits / T); logits are [n, 10].

    The likelihood is concave in 1/T, so its slope there changes sign once, and bisection finds where.
    """
    true = np.take_along_axis(logits, labels[:, np.newaxis], axis=1).mean()
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(HALVINGS):
        inverse = (low + high) / 2
        expected = (_softmax(logits * inverse) * logits).sum(axis=1).mean()
        low, high = (inverse, high) if true > expected else (low, inverse)
    return float(2 / (low + high))


def divided(model: keras.Model, by: float) -> keras.Model:
    """Copy a model that ends in a Dense softmax, its logits divided by a temperature."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    last = copy.layers[-1]
    last.set_weights([weights / by for weights in last.get_weights()])
    return copy


def _ends_in_softmax(model: keras.Model) -> bool:
    last = model.layers[-1]
    return isinstance(last, keras.layers.Dense) and last.activation is keras.activations.softmax


def _logits(model: keras.Model, split: Split) -> NDArray[np.float64]:
    """The logarithms of a model's answers: its logits but for one number an image, which softmax takes no notice of."""
    images = from_bytes(split.images).reshape(-1, *model.input_shape[1:])
    answers = model.predict(images, batch_size=1000, verbose=0)
    # An answer can be zero in float32, and its logarithm no number. The smallest one is as good as never.
    return np.asarray(np.log(np.maximum(answers, np.finfo(np.float32).tiny).astype(np.float64)))


def _calibration_error(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    probabilities = _softmax(logits)
    return expected_calibration_error(
        probabilities.max(axis=1).astype(np.float32), probabilities.argmax(axis=1) == labels
    )


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
