"""BentoML with one service of one worker, its input and output typed as its documentation does."""

from typing import Annotated

import bentoml
import numpy as np
from bentoml.validators import DType, Shape
from champion import Champion


@bentoml.service
class Mnist:
    """The champion."""

    def __init__(self) -> None:
        self._champion = Champion()

    @bentoml.api
    def predict(self, image: Annotated[np.ndarray, DType("float32"), Shape((1, 784))]) -> np.ndarray:
        return self._champion.predict(image)
