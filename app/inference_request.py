"""Requests of the Open Inference Protocol V2: their shapes, and the parser that says what is wrong with any other.

The protocol: https://github.com/kserve/open-inference-protocol. Its extensions for binary tensors and classification:
https://github.com/triton-inference-server/server/tree/main/docs/protocol. Knows nothing of HTTP.
"""

import re
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from app import payload, tensor
from app.image import PIXELS
from app.model import CLASSES
from app.payload import ABSENT, Image, InvalidRequest

INPUT = {"name": "image", "datatype": "FP32", "shape": [-1, PIXELS]}
PROBABILITIES = {"name": "probabilities", "datatype": "FP32", "shape": [-1, CLASSES]}
PREDICTION = {"name": "prediction", "datatype": "INT64", "shape": [-1]}
OUTPUTS = {str(output["name"]): output for output in (PROBABILITIES, PREDICTION)}
SEND = 'Send {"inputs": [{"name": "image", "shape": [1, 784], "datatype": "FP32", "data": [784 numbers in 0..1]}]}.'
LENGTH_HEADER = "Inference-Header-Content-Length"
_FLOAT_BYTES = 4


class InputParameters(msgspec.Struct):
    """The parameters of an input that mean something here; others are taken and ignored."""

    binary_data_size: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Input(msgspec.Struct):
    """A tensor: its numbers are in `data`, or follow the JSON in `binary_data_size` bytes."""

    name: str
    shape: list[Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]]
    datatype: str
    parameters: InputParameters | None = None
    data: msgspec.Raw = ABSENT


class OutputParameters(msgspec.Struct):
    """The parameters of an output: in binary or not, and as how many of the likeliest classes."""

    binary_data: bool | None = None
    classification: Annotated[int, msgspec.Meta(ge=1, le=CLASSES)] | None = None


class RequestedOutput(msgspec.Struct):
    """An output that the answer is to hold."""

    name: str
    parameters: OutputParameters | None = None


class RequestParameters(msgspec.Struct):
    """The parameters of a request: whether outputs come in binary that do not say so themselves."""

    binary_data_output: bool | None = None


class InferenceRequest(msgspec.Struct):
    """The body of POST .../infer, or its beginning if binary data follow."""

    inputs: list[Input]
    outputs: list[RequestedOutput] | None = None
    id: str | None = None
    parameters: RequestParameters | None = None


class Wanted(NamedTuple):
    """An output of the answer: in which form, and as how many of the likeliest classes, 0 for all as numbers."""

    name: str
    binary: bool = False
    classes: int = 0


class Inference(NamedTuple):
    """What a request asks for."""

    images: list[Image]
    outputs: list[Wanted]
    id: str | None = None


def parse(data: bytes, json_length: str | None, limit: int) -> Inference:
    """Parse a body whose JSON, by its header, has `json_length` bytes; None if all of it is JSON.

    Raises InvalidJson, InvalidRequest, InvalidImage, and BatchTooLarge for more than `limit` images.
    """
    head, binary = _split(data, json_length)
    if json_length is not None and not head:
        return _parse_raw(binary, limit)
    request: InferenceRequest = payload.decode(_REQUEST, head, "", SEND)
    binary_output = bool(request.parameters and request.parameters.binary_data_output)
    outputs = _wanted(request.outputs or [], binary_output)
    return Inference(_images(request.inputs, binary, limit), outputs, request.id)


_REQUEST = msgspec.json.Decoder(InferenceRequest)


def _split(data: bytes, json_length: str | None) -> tuple[bytes, memoryview]:
    if json_length is None:
        return data, memoryview(b"")
    if not re.fullmatch("[0-9]{1,9}", json_length) or int(json_length) > len(data):
        raise InvalidRequest(
            f"the header {LENGTH_HEADER} is {json_length[:20]!r}, and the body has {len(data)} bytes."
            " Send how many of them are JSON."
        )
    length = int(json_length)
    return data[:length], memoryview(data)[length:]


def _parse_raw(binary: memoryview, limit: int) -> Inference:
    """Parse a request without JSON: images in FP32 and nothing else; all outputs are wanted in binary."""
    count, rest = divmod(len(binary), PIXELS * _FLOAT_BYTES)
    if rest or not count:
        raise InvalidRequest(
            f"the body holds {len(binary)} bytes and, by {LENGTH_HEADER}, no JSON."
            f" Send {PIXELS * _FLOAT_BYTES} bytes an image: {PIXELS} numbers of FP32 in 0..1."
        )
    images = tensor.from_binary(binary, str(INPUT["name"]), "FP32", [count, PIXELS], limit)
    return Inference(images, [Wanted(name, binary=True) for name in OUTPUTS])


def _images(inputs: Sequence[Input], binary: memoryview, limit: int) -> list[Image]:
    if len(inputs) != 1 or inputs[0].name != INPUT["name"]:
        found = ", ".join(repr(one.name[:20]) for one in inputs[:5])
        raise InvalidRequest(f"`inputs` holds {len(inputs)} tensors ({found}). The model takes one, `image`. {SEND}")
    (given,) = inputs
    size = given.parameters and given.parameters.binary_data_size
    if (size is None) == (given.data is ABSENT):
        found = "neither `data` nor" if size is None else "both `data` and"
        raise InvalidRequest(f"`inputs[0]` has {found} the parameter `binary_data_size`. {SEND}")
    if (size or 0) != len(binary):
        raise InvalidRequest(
            f"`binary_data_size` of `inputs[0]` is {size or 0}, and {len(binary)} bytes follow the JSON."
            f" Send the JSON, then that many bytes, and the JSON's own length in the header {LENGTH_HEADER}."
        )
    if size is None:
        return tensor.from_json(given.data, "inputs[0].data", given.datatype, given.shape, limit)
    return tensor.from_binary(binary, given.name, given.datatype, given.shape, limit)


def _wanted(outputs: Sequence[RequestedOutput], binary_output: bool) -> list[Wanted]:
    if not outputs:
        return [Wanted(name, binary_output) for name in OUTPUTS]
    names = [output.name for output in outputs]
    for name in names:
        if name not in OUTPUTS:
            raise InvalidRequest(f"`outputs` asks for {name[:20]!r}. The model has {' and '.join(OUTPUTS)}.")
    # Each once, or a small request could ask for an answer without end.
    if len(set(names)) < len(names):
        raise InvalidRequest("`outputs` asks for one output twice. Name each once.")
    return [_wanted_output(output, binary_output) for output in outputs]


def _wanted_output(output: RequestedOutput, binary_output: bool) -> Wanted:
    parameters = output.parameters or OutputParameters()
    if parameters.classification and output.name != PROBABILITIES["name"]:
        raise InvalidRequest(f"`classification` is asked of `{output.name}`. Ask it of `{PROBABILITIES['name']}`.")
    binary = binary_output if parameters.binary_data is None else parameters.binary_data
    return Wanted(output.name, binary, parameters.classification or 0)
