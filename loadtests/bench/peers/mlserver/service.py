"""MLServer with a custom runtime, as its user guide writes one: NumPy codec, Open Inference Protocol."""

from champion import Champion
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Mnist(MLModel):
    """The champion."""

    async def load(self) -> bool:
        self._champion = Champion()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        image = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        probabilities = NumpyCodec.encode_output("probabilities", self._champion.predict(image))
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[probabilities])
