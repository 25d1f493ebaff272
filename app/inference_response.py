"""Answers of the Open Inference Protocol V2: outputs as JSON or in binary, as numbers or as the likeliest classes.

Knows nothing of HTTP.
"""

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from app.inference_request import OUTPUTS, PROBABILITIES, Wanted
from app.model import CLASSES
from app.predictor import Prediction

_DTYPES = {"FP32": "<f4", "INT64": "<i8"}
_LENGTH = struct.Struct("<I")  # in front of each element of BYTES


class Output(msgspec.Struct, omit_defaults=True):
    """One tensor of the answer; one in binary has no `data`, but its size among its parameters."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, int] | None = None


class InferenceResponse(msgspec.Struct):
    """The answer to POST .../infer, or its beginning if binary data follow."""

    model_name: str
    model_version: str
    id: str
    outputs: list[Output]


class Encoded(NamedTuple):
    """A body, and how many bytes of it are JSON; None if all are."""

    body: bytes
    json_length: int | None


class Responder:
    """Encodes predictions of one model."""

    def __init__(self, model_name: str, model_version: str, labels: Sequence[str]) -> None:
        self._names = (model_name, model_version)
        self._labels = labels

    def encode(self, predictions: Sequence[Prediction], wanted: Sequence[Wanted], request_id: str) -> Encoded:
        """Encode the outputs that are wanted, in their order."""
        outputs = [self._output(predictions, one) for one in wanted]
        binary = [_make_binary(output) for output, one in zip(outputs, wanted, strict=True) if one.binary]
        head = _ENCODER.encode(InferenceResponse(*self._names, request_id, outputs))
        return Encoded(b"".join([head, *binary]), len(head) if binary else None)

    def _output(self, predictions: Sequence[Prediction], wanted: Wanted) -> Output:
        datatype, count = str(OUTPUTS[wanted.name]["datatype"]), len(predictions)
        if wanted.classes:
            data = [text for one in predictions for text in self._classes(one.probabilities, wanted.classes)]
            return Output(wanted.name, "BYTES", [count, wanted.classes], data)
        if wanted.name == PROBABILITIES["name"]:
            probabilities = [number for one in predictions for number in one.probabilities]
            return Output(wanted.name, datatype, [count, CLASSES], probabilities)
        return Output(wanted.name, datatype, [count], [one.prediction for one in predictions])

    def _classes(self, probabilities: Sequence[float], count: int) -> list[str]:
        """The likeliest classes, as value:index:label."""
        likeliest = sorted(range(CLASSES), key=lambda index: -probabilities[index])[:count]
        return [f"{probabilities[index]:f}:{index}:{self._labels[index]}" for index in likeliest]


_ENCODER = msgspec.json.Encoder()


def _make_binary(output: Output) -> bytes:
    """Take an output's data out of it and give them as bytes, little-endian and row-major."""
    data = output.data or []
    output.data = None
    if output.datatype == "BYTES":
        binary = b"".join(_LENGTH.pack(len(text)) + text for text in (text.encode() for text in data))
    else:
        binary = np.array(data, _DTYPES[output.datatype]).tobytes()
    output.parameters = {"binary_data_size": len(binary)}
    return binary
