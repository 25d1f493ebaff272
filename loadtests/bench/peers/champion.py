"""The champion on LiteRT, as a developer would load it by hand: for the peers that bring no runtime for it."""

import os
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

MODEL = Path(os.environ["BENCH_MODEL"])


class Champion:
    """One interpreter for one image at a time. Not safe for threads."""

    def __init__(self) -> None:
        self._interpreter = Interpreter(str(MODEL), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def predict(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the probabilities, float32 [1, 10], of one image, float32 [1, 784]."""
        self._interpreter.set_tensor(self._input, image)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)
