"""LitServe with its four verbs, one worker and one API server, as its documentation writes it."""

import sys
from typing import Any

import litserve
import numpy as np
from champion import Champion
from numpy.typing import NDArray


class Mnist(litserve.LitAPI):
    """The champion."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        self._champion = Champion()

    def decode_request(self, request: dict[str, Any]) -> NDArray[np.float32]:
        return np.array([request["image"]], dtype=np.float32)

    def predict(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._champion.predict(image)

    def encode_response(self, output: NDArray[np.float32]) -> dict[str, Any]:
        return {"probabilities": output[0].tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Mnist(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False)
