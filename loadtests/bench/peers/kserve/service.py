"""KServe's Python server with a custom model, as its documentation writes one: protocol V1, one worker."""

from typing import Any

import numpy as np
from champion import Champion
from kserve import Model, ModelServer


class Mnist(Model):
    """The champion."""

    def __init__(self) -> None:
        super().__init__("mnist")
        self._champion = Champion()
        self.ready = True

    def predict(self, payload: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:  # noqa: ARG002
        image = np.array(payload["instances"], dtype=np.float32)
        return {"predictions": self._champion.predict(image).tolist()}


if __name__ == "__main__":
    ModelServer().start([Mnist()])
