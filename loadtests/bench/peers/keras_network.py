"""The champion as a Keras network, for the peers that serve TensorFlow: its layers, its weights from the LiteRT file.

The weights are what LiteRT computes with, rounded to int8 and scaled back, so probabilities differ in the third digit
only. Run as `python keras_network.py network.keras`.
"""

import os
import sys

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray


def build(model_path: str) -> keras.Model:
    """Build the champion's network. Raises ValueError if its constants are not those of three convolutions."""
    interpreter = tf.lite.Interpreter(model_path)
    found = [(detail, interpreter.get_tensor(detail["index"])) for detail in _constants(interpreter)]
    kernels = sorted((_float(*one) for one in found if one[1].ndim == 4), key=lambda kernel: kernel.shape[3])
    (dense,) = (_float(*one) for one in found if one[1].ndim == 2)
    biases = {len(values): values for _, values in found if values.ndim == 1 and values.dtype == np.float32}
    if [kernel.shape[0] for kernel in kernels] != [16, 32, 64] or dense.shape != (10, 576):
        raise ValueError("the champion is not the network `cnn`: teach keras_network.py the one that it is")
    network = keras.Sequential([keras.Input((784,)), layers.Reshape((28, 28, 1))])
    for kernel in kernels:
        network.add(layers.Conv2D(len(kernel), 3, padding="same", activation="relu"))
        network.layers[-1].set_weights([kernel.transpose(1, 2, 3, 0), biases[len(kernel)]])
        network.add(layers.MaxPooling2D())
    network.add(layers.Flatten())
    network.add(layers.Dense(10, activation="softmax"))
    network.layers[-1].set_weights([dense.T, biases[10]])
    return network


def _constants(interpreter: tf.lite.Interpreter) -> list[dict]:
    """The tensors that hold weights: LiteRT can give their values before it has allocated any other."""
    details = []
    for detail in interpreter.get_tensor_details():
        try:
            interpreter.get_tensor(detail["index"])
        except ValueError:
            continue
        details.append(detail)
    return details


def _float(detail: dict, values: NDArray) -> NDArray[np.float32]:
    """Weights as they were before they were rounded: each row of an int8 tensor has a scale of its own."""
    scales = detail["quantization_parameters"]["scales"]
    rows = scales.reshape(-1, *[1] * (values.ndim - 1)) if scales.size else 1
    return values.astype(np.float32) * rows


if __name__ == "__main__":
    build(os.environ["BENCH_MODEL"]).save(sys.argv[1])
