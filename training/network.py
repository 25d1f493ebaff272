"""The networks. Each takes [784] numbers in 0..1 and gives 10 probabilities."""

import keras
from keras import layers

from app.image import PIXELS, SIDE
from app.model import CLASSES
from training.config import TrainConfig


def build(config: TrainConfig) -> keras.Model:
    """Build the network that a configuration names, its data set in its name."""
    body = {"mlp": _mlp, "cnn": _cnn, "cnn6": _cnn6}[config.arch](config)
    return keras.Sequential([keras.Input((PIXELS,)), *body], name=f"{config.arch}_{config.dataset}")


def _mlp(config: TrainConfig) -> list[keras.Layer]:
    """The original: with 512 hidden units it has exactly 407,050 parameters."""
    return [
        layers.Dense(config.hidden_units, activation="relu"),
        layers.Dropout(config.dropout_rate),
        layers.Dense(CLASSES, activation="softmax"),
    ]


def _cnn(config: TrainConfig) -> list[keras.Layer]:
    """Three convolutions, each seeing a quarter of the positions of the one before."""
    convolutions = [layer for filters in (16, 32, 64) for layer in (*_convolution(filters), layers.MaxPooling2D())]
    return [
        layers.Reshape((SIDE, SIDE, 1)),
        *convolutions,
        layers.Flatten(),
        layers.Dropout(config.dropout_rate),
        layers.Dense(CLASSES, activation="softmax"),
    ]


def _cnn6(_config: TrainConfig) -> list[keras.Layer]:
    """Three pairs of convolutions at 28, 14 and 7 pixels' width: 172,794 parameters."""
    pairs = [(*_convolution(one), *_convolution(two)) for one, two in ((16, 32), (48, 64), (96, 80))]
    return [
        layers.Reshape((SIDE, SIDE, 1)),
        *pairs[0],
        layers.MaxPooling2D(),
        *pairs[1],
        layers.MaxPooling2D(),
        *pairs[2],
        layers.GlobalAveragePooling2D(),
        # In float32 whatever training computes in: bfloat16 has too few digits for probabilities.
        layers.Dense(CLASSES, activation="softmax", dtype="float32"),
    ]


def _convolution(filters: int) -> list[keras.Layer]:
    # No bias: batch normalisation has its own. At export both are folded into the convolution and cost nothing.
    return [
        layers.Conv2D(filters, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
    ]
