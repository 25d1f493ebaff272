"""What the inference protocol's doors refuse: each with its status, and a message that says what to send."""

import json

import numpy as np
import pytest

from app.config import Settings
from app.main import create_app
from tests.app.protocol import INFER, LENGTH_HEADER, MODEL, assert_protocol_error, binary_tensor, tensor, with_binary

ZEROS = [0.0] * 784
ROWS = [[0.0] * 28 for _ in range(28)]
SEND = 'Send {"inputs": [{"name": "image", "shape": [1, 784], "datatype": "FP32", "data": [784 numbers in 0..1]}]}'
TAKEN = "FP16, FP32, FP64 in 0..1; UINT8, INT32, INT64 in 0..255"


def with_pixel(value):
    return [*ZEROS[:783], value]


def one(data, shape=(1, 784), datatype="FP32", **more):
    return {"inputs": [tensor(data, shape, datatype, **more)]}


def asking(**parameters):
    return one(ZEROS) | {"outputs": [{"name": "probabilities", "parameters": parameters}]}


BAD_REQUESTS = {
    "empty": (b"", 400, "the body is empty", SEND),
    "text": (b"hello", 400, "not JSON", SEND),
    "list": ([], 400, "the body: expected `object`", SEND),
    "no inputs": ({}, 400, "missing required field `inputs`", SEND),
    "inputs is no list": ({"inputs": {}}, 400, "`inputs`: expected `array`, got `object`", SEND),
    "0 inputs": ({"inputs": []}, 400, "holds 0 tensors", "takes one, `image`"),
    "2 inputs": ({"inputs": [tensor(ZEROS)] * 2}, 400, "holds 2 tensors ('image', 'image')", "takes one, `image`"),
    "other name": (one(ZEROS, name="input_1"), 400, "('input_1')", "takes one, `image`"),
    "id is a number": (one(ZEROS) | {"id": 7}, 400, "`id`: expected `str | null`, got `int`"),
    "no name": ({"inputs": [{"shape": [784]}]}, 400, "`inputs[0]`: object missing required field `name`"),
    "no shape": ({"inputs": [{"name": "image"}]}, 400, "`inputs[0]`: object missing required field `shape`"),
    "other datatype": (one(ZEROS, datatype="BF16"), 400, "the datatype 'BF16'", TAKEN),
    "no image's datatype": (one(["x"], (1,), datatype="BYTES"), 400, "the datatype 'BYTES'", TAKEN),
    "shape with a fraction": (one(ZEROS, (1.5, 784)), 400, "`inputs[0].shape[0]`: expected `int`, got `float`"),
    "empty shape": (one(ZEROS, ()), 400, "has the shape []", "[n, 784], [n, 28, 28]"),
    "count alone": (one(ZEROS, (1,)), 400, "has the shape [1]", "[n, 784]"),
    "27 rows": (one(ZEROS, (1, 27, 28)), 400, "has the shape [1, 27, 28]"),
    "colours": (one(ZEROS * 3, (1, 28, 28, 3)), 400, "has the shape [1, 28, 28, 3]"),
    "channel without a count": (one(ZEROS, (28, 28, 1)), 400, "has the shape [28, 28, 1]"),
    "endless shape": (one(ZEROS, [1] * 10_000), 400, "has the shape [1, 1"),
    "no images": (one([], (0, 784)), 400, "holds 0 images by its shape"),
    "less than no images": (one(ZEROS, (-1, 784)), 400, "`inputs[0].shape[0]`: expected `int` >= 0"),
    "endless count": (one(ZEROS, (10**4000, 784)), 400, "`inputs[0].shape[0]`: expected `int` <= "),
    "129 images": (one(ZEROS * 129, (129, 784)), 413, "holds 129 images", "at most 128"),
    "more images than there are": (one(ZEROS, (2**62, 784)), 413, "at most 128"),
    "783 numbers": (one(ZEROS[1:]), 400, "`inputs[0].data` holds 783 numbers", "its shape says 784"),
    "785 numbers": (one([*ZEROS, 0.0]), 400, "holds 785 numbers"),
    "nested otherwise": (one([ROWS[:27]], (1, 28, 28)), 400, "holds 1 x 27 x 28 numbers", "says 1 x 28 x 28"),
    "axes in another order": (one(np.zeros((28, 1, 28)).tolist(), (1, 28, 28)), 400, "holds 28 x 1 x 28 numbers"),
    "nested deeper": (one([ROWS]), 400, "nested 3 deep, and the shape has 2 dimensions"),
    "nested too deeply": (one([[[[[0]]]]], (1, 28, 28, 1)), 400, "nested 5 deep"),
    "nested without end": (b'{"inputs": [{"data": ' + b"[" * 100_000, 400, "nested too deeply"),
    "ragged": (one([[*ROWS[:27], [0.0]]], (1, 28, 28)), 400, "`inputs[0].data` holds lists of different lengths"),
    "lists and numbers": (one([[0.0], 0.0]), 400, "`inputs[0].data[1]`: expected `array`, got `float`", TAKEN),
    "data is a number": (one(5), 400, "nested 0 deep"),
    "data is an object": (one({"a": ZEROS}), 400, "nested 0 deep"),
    "string": (one(with_pixel("1")), 400, "`inputs[0].data[783]`: expected `float`, got `str`", TAKEN),
    "boolean": (one(with_pixel(True)), 400, "`inputs[0].data[783]`: expected `float`, got `bool`"),
    "null": (one(with_pixel(None)), 400, "`inputs[0].data[783]`: expected `float`, got `null`"),
    "NaN": (one(with_pixel(float("nan"))), 400, "JSON has no NaN", SEND),
    "Infinity": (one(with_pixel(float("inf"))), 400, "no Infinity"),
    "just above 1": (one(with_pixel(1 + 1e-9)), 400, "`inputs[0].data[783]` is 1"),
    "above 1": (one(with_pixel(1.01)), 400, "`inputs[0].data[783]` is 1.01", "divide by 255"),
    "above 1, nested": (one([with_pixel(1.01)]), 400, "`inputs[0].data[0][783]` is 1.01"),
    "below 0": (one(with_pixel(-0.01)), 400, "is -0.01", "in 0..1"),
    "UINT8 above 255": (one([256] * 784, datatype="UINT8"), 400, "`int` <= 255", TAKEN),
    "UINT8 below 0": (one([-1] * 784, datatype="UINT8"), 400, "`inputs[0].data[0]`: expected `int` >= 0", TAKEN),
    "UINT8 with a fraction": (one([0.5] * 784, datatype="UINT8"), 400, "expected `int`, got `float`", TAKEN),
    "INT64 of 400 digits": (one([10**400] * 784, datatype="INT64"), 400, "`inputs[0].data[0]`"),
    "unknown output": (one(ZEROS) | {"outputs": [{"name": "x"}]}, 400, "asks for 'x'", "probabilities and prediction"),
    "output twice": (one(ZEROS) | {"outputs": [{"name": "prediction"}] * 2}, 400, "asks for one output twice"),
    "output without name": (one(ZEROS) | {"outputs": [{}]}, 400, "`outputs[0]`: object missing required field `name`"),
    "0 classes": (asking(classification=0), 400, "`outputs[0].parameters.classification`: expected `int` >= 1"),
    "11 classes": (asking(classification=11), 400, "expected `int` <= 10"),
    "classes of the digit": (
        one(ZEROS) | {"outputs": [{"name": "prediction", "parameters": {"classification": 1}}]},
        400,
        "asked of `prediction`. Ask it of `probabilities`",
    ),
    "binary is no boolean": (asking(binary_data=1), 400, "`outputs[0].parameters.binary_data`: expected `bool"),
    "no data": ({"inputs": [{"name": "image", "shape": [784], "datatype": "FP32"}]}, 400, "neither `data` nor"),
    "shared memory": (
        {"inputs": [binary_tensor(None) | {"parameters": {"shared_memory_region": "r"}}]},
        400,
        "neither `data` nor the parameter `binary_data_size`",
    ),
    "data and size": (one(ZEROS, parameters={"binary_data_size": 3136}), 400, "both `data` and"),
    "size without header": ({"inputs": [binary_tensor(3136)]}, 400, "0 bytes follow the JSON", LENGTH_HEADER),
    "negative size": ({"inputs": [binary_tensor(-1)]}, 400, "`inputs[0].parameters.binary_data_size`: expected"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_REQUESTS)
def test_bad_request(client, kind):
    request, status, *fragments = BAD_REQUESTS[kind]
    answer = client.post(INFER, data=request if isinstance(request, bytes) else json.dumps(request))
    assert_protocol_error(answer, status, *fragments)
    assert len(answer.data) < 1000


IMAGE = np.zeros(784, "<f4").tobytes()


def float_bytes(value, dtype="<f4"):
    pixels = np.zeros(784, dtype)
    pixels[5] = value
    return pixels.tobytes()


BAD_BINARY = {
    "fewer bytes than said": (binary_tensor(3136), IMAGE[:-1], "is 3136, and 3135 bytes follow"),
    "more bytes than said": (binary_tensor(3136), IMAGE + b"x", "is 3136, and 3137 bytes follow"),
    "bytes that nobody wants": (tensor([0] * 784), IMAGE, "is 0, and 3136 bytes follow"),
    "size of another shape": (binary_tensor(3136, (2, 784)), IMAGE, "holds 3136 bytes; FP32 of its shape are 6272"),
    "size of another datatype": (binary_tensor(3136, datatype="UINT8"), IMAGE, "UINT8 of its shape are 784"),
    "129 images": (binary_tensor(3136 * 129, (129, 784)), IMAGE * 129, "at most 128"),
    "above 1": (binary_tensor(3136), float_bytes(2), "`image[0][5]` is 2", "divide by 255"),
    "below 0": (binary_tensor(3136), float_bytes(-1), "`image[0][5]` is -1"),
    "NaN": (binary_tensor(3136), float_bytes(np.nan), "`image[0][5]` is nan"),
    "signalling NaN": (binary_tensor(3136), bytes.fromhex("0100a07f") * 784, "`image[0][0]` is nan"),
    "infinity": (binary_tensor(3136), float_bytes(np.inf), "`image[0][5]` is inf"),
    "half NaN": (binary_tensor(1568, datatype="FP16"), float_bytes(np.nan, "<f2"), "is nan"),
    "double above 1": (binary_tensor(6272, datatype="FP64"), float_bytes(1e300, "<f8"), "is 1e+300"),
    "INT32 above 255": (binary_tensor(3136, datatype="INT32"), float_bytes(256, "<i4"), "from 0 to 256", TAKEN),
    "INT64 below 0": (binary_tensor(6272, datatype="INT64"), float_bytes(-1, "<i8"), "from -1 to 0", TAKEN),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_BINARY)
def test_bad_binary_tensor(client, kind):
    given, data, *fragments = BAD_BINARY[kind]
    answer = client.post(INFER, **with_binary({"inputs": [given]}, data))
    assert_protocol_error(answer, 413 if kind == "129 images" else 400, *fragments)


@pytest.mark.parametrize("length", ["-1", "x", "", "1.0", "\u00b2", "99999", "9" * 30, "3, 3", " 7 8"])
def test_length_that_is_none_is_400(client, length):
    answer = client.post(INFER, data=b"{}", headers={LENGTH_HEADER: length})
    assert_protocol_error(answer, 400, LENGTH_HEADER, "the body has 2 bytes")


@pytest.mark.parametrize("size", [0, 1, 3135, 3137, 3136 * 129])
def test_request_without_json_of_another_size(client, size):
    answer = client.post(INFER, data=bytes(size), headers={LENGTH_HEADER: "0"})
    expected = (413, "at most 128") if size > 10_000 else (400, f"holds {size} bytes", "3136 bytes an image")
    assert_protocol_error(answer, *expected)


@pytest.mark.parametrize("path", [INFER, f"{MODEL}/versions/{{version}}/infer", "/v1/models/mnist:predict"])
def test_limits_are_those_of_predict(classifier, path):
    client = create_app(Settings(max_body_bytes=2000, max_batch=1), classifier).test_client()
    path = path.format(version=classifier.bundle.manifest.version)
    assert_protocol_error(client.post(path, data=b"x" * 2001), 413, "2001 bytes; at most 2000")
    batch = {"inputs": [tensor([0] * 1568, (2, 784))]} if "v2" in path else {"instances": [[0] * 784] * 2}
    body = json.dumps(batch, separators=(",", ":"))
    client = create_app(Settings(max_batch=1), classifier).test_client()
    assert_protocol_error(client.post(path, data=body), 413, "holds 2 images; at most 1")


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/other",
        "/v2/models/other/ready",
        "/v2/models/mnist/versions/1",
        "/v2/models/mnist/versions/1/ready",
        "/v1/models/other",
    ],
)
def test_unknown_model_is_404_that_says_which_there_is(client, path):
    assert_protocol_error(client.get(path), 404, "There is '")


@pytest.mark.parametrize(
    "path", ["/v2/models/other/infer", "/v2/models/mnist/versions/1/infer", "/v1/models/other:predict"]
)
def test_unknown_model_is_404_whatever_the_body(client, path, sample):
    assert_protocol_error(client.post(path, data=b"nonsense"), 404, "There is '")
    assert sample("mnist_rejected_total", reason="unknown_model") == 1


@pytest.mark.parametrize("path", ["/v2/nothing", "/v2/models", "/v1", "/v1/models/mnist:explain", "/v2/models/a%2Fb"])
def test_unknown_path_is_404_in_the_protocols_shape(client, path):
    assert_protocol_error(client.get(path), 404, "no such path")


def test_path_that_only_begins_alike_has_the_shape_of_all_errors(client):
    assert client.get("/v2x").json["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", INFER, "POST"),
        ("POST", MODEL, "GET"),
        ("PUT", "/v2", "GET"),
        ("GET", "/v1/models/mnist:predict", "POST"),
    ],
)
def test_wrong_method_is_405_with_allow(client, method, path, allowed):
    answer = client.open(path, method=method)
    assert_protocol_error(answer, 405, method, "Allow")
    assert allowed in answer.headers["Allow"]


def test_unexpected_error_is_500_without_trace(app, client):
    app.extensions["classifier"].predict = None
    try:
        answer = client.post(INFER, data=json.dumps(one(ZEROS)))
    finally:
        del app.extensions["classifier"].predict
    assert_protocol_error(answer, 500, "Report the request_id")
