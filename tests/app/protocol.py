"""How the tests speak the inference protocols."""

import json
import struct

import numpy as np

MODEL = "/v2/models/mnist"
INFER = f"{MODEL}/infer"
LENGTH_HEADER = "Inference-Header-Content-Length"
PREDICT = "/v1/models/mnist:predict"


def tensor(data, shape=(1, 784), datatype="FP32", **more):
    """An input in JSON."""
    return {"name": "image", "shape": list(shape), "datatype": datatype, "data": data} | more


def binary_tensor(size, shape=(1, 784), datatype="FP32", **more):
    """An input whose bytes follow the JSON."""
    parameters = {"binary_data_size": size}
    return {"name": "image", "shape": list(shape), "datatype": datatype, "parameters": parameters} | more


def with_binary(request, data):
    """A body of JSON and the bytes behind it, and its headers."""
    head = json.dumps(request).encode()
    return {"data": head + data, "headers": {LENGTH_HEADER: str(len(head))}}


def outputs_of(answer):
    """The outputs of an answer, each as an array or a list of texts, by their names."""
    assert answer.status_code == 200, answer.text
    length = answer.headers.get(LENGTH_HEADER)
    assert answer.mimetype == ("application/json" if length is None else "application/octet-stream")
    head = answer.data if length is None else answer.data[: int(length)]
    rest = b"" if length is None else answer.data[int(length) :]
    found = {}
    for output in json.loads(head)["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        assert (size is None) == ("data" in output)
        data = output.get("data") if size is None else decoded(rest[:size], output["datatype"])
        rest = rest[size or 0 :]
        found[output["name"]] = np.array(data).reshape(output["shape"])
    assert rest == b""
    return found


def decoded(data, datatype):
    """The elements of a tensor in binary."""
    if datatype != "BYTES":
        return np.frombuffer(data, {"FP32": "<f4", "INT64": "<i8"}[datatype])
    elements = []
    while data:
        (length,) = struct.unpack("<I", data[:4])
        elements.append(data[4 : 4 + length].decode())
        data = data[4 + length :]
    return elements


def assert_protocol_error(answer, status, *fragments):
    """Check an error's status, and that it has the protocols' shape and our request id."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/json"
    assert answer.json.keys() == {"error"}
    assert answer.headers["X-Request-Id"]
    for fragment in fragments:
        assert fragment in answer.json["error"]
