"""The inference protocols on made-up input: each way to write a tensor says the same, and nothing is a 5xx."""

import gzip
import json
import zlib

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.app.protocol import INFER, LENGTH_HEADER, PREDICT, binary_tensor, outputs_of, tensor, with_binary

GENERATED_TENSORS = 150
GENERATED_BODIES = 600
ENCODINGS = {"identity": bytes, "gzip": gzip.compress, "deflate": zlib.compress}
DTYPES = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "UINT8": "u1", "INT32": "<i4", "INT64": "<i8"}


def generated(examples):
    """What each test here sets: enough examples, the same in each run."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def tensors(draw):
    """Random images in a datatype and a shape, and the float32 images that they are."""
    count = draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    datatype = draw(st.sampled_from(sorted(DTYPES)))
    raw = random.integers(0, 256, (count, 784)) * random.integers(0, 2, (count, 784))
    values = raw.astype(DTYPES[datatype]) if "INT" in datatype else (raw / 255).astype(DTYPES[datatype])
    seen = np.float32(raw) / np.float32(255) if "INT" in datatype else np.float32(values)
    shapes = [(count, 784), (count, 28, 28), (count, 28, 28, 1), *([(784,), (28, 28)] if count == 1 else [])]
    return datatype, values.reshape(draw(st.sampled_from(shapes))), seen


def written(datatype, values, how):
    """A request for a tensor: its body and headers."""
    asked = {"parameters": {"binary_data_output": how == "binary"}}
    if how == "binary":
        given_input = binary_tensor(values.nbytes, values.shape, datatype)
        return with_binary({"inputs": [given_input]} | asked, values.tobytes())
    data = values.tolist() if how == "nested" else values.ravel().tolist()
    return {"data": json.dumps({"inputs": [tensor(data, values.shape, datatype)]} | asked).encode(), "headers": {}}


def test_tensor_is_answered_as_by_predict_however_it_is_written(app, caplog):
    caplog.set_level("ERROR", "app.request")
    client = app.test_client()
    written_as = set()

    @generated(GENERATED_TENSORS)
    @given(tensors(), st.sampled_from(["nested", "flat", "binary"]), st.sampled_from(sorted(ENCODINGS)))
    def check(given_tensor, how, encoding):
        datatype, values, seen = given_tensor
        request = written(datatype, values, how)
        request["data"] = ENCODINGS[encoding](request["data"])
        if encoding != "identity":
            request["headers"]["Content-Encoding"] = encoding
        found = outputs_of(client.post(INFER, **request))
        expected = client.post("/predict", json={"images": seen.tolist()}).json["predictions"]
        assert found["probabilities"].tolist() == [one["probabilities"] for one in expected]
        assert found["prediction"].tolist() == [one["prediction"] for one in expected]
        written_as.add((how, encoding, datatype))

    check()
    assert {how for how, _, _ in written_as} == {"nested", "flat", "binary"}
    assert {encoding for _, encoding, _ in written_as} == set(ENCODINGS)
    assert {datatype for _, _, datatype in written_as} == set(DTYPES)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
DATA = st.sampled_from([[0.5] * 784, [[0.5] * 784], [[0.5] * 28] * 28, [1] * 784, [300] * 784, [0.5] * 783, [], "a"])
SHAPES = st.lists(st.sampled_from([1, 1, 28, 784, 2, 0, -1, 129, 2**63]), max_size=5)
SIZES = st.builds(dict, binary_data_size=st.sampled_from([0, 3136, -1, 2**64]) | JSON_VALUES)
PARAMETERS = st.dictionaries(st.sampled_from(["binary_data", "classification"]), st.integers(-1, 11) | JSON_VALUES)
OUTPUT = st.fixed_dictionaries(
    {"name": st.sampled_from(["probabilities", "prediction", "x"])}, optional={"parameters": PARAMETERS}
)


@st.composite
def almost_requests(draw):
    """A good request of V2 or V1, with up to two of its fields replaced or dropped."""
    if draw(st.booleans()):
        key = draw(st.sampled_from(["instances", "instances", "instances", "x"]))
        return {key: draw(st.just([[0.5] * 784]) | DATA | st.lists(DATA, max_size=3) | JSON_VALUES)}
    fields = tensor([0.5] * 784)
    replacements = {
        "name": JSON_VALUES,
        "shape": st.sampled_from([[784], [28, 28], [1, 28, 28]]) | SHAPES | JSON_VALUES,
        "datatype": st.sampled_from([*DTYPES, "BYTES"]) | JSON_VALUES,
        "data": DATA | JSON_VALUES,
        "parameters": SIZES | JSON_VALUES,
    }
    for name in draw(st.sets(st.sampled_from(sorted(replacements)), max_size=2)):
        fields[name] = draw(replacements[name])
        if draw(st.sampled_from([False, False, True])):
            del fields[name]
    request = {"inputs": draw(st.sampled_from([[fields]] * 5 + [[fields, fields], [], fields]))}
    optional = {"outputs": st.lists(OUTPUT, max_size=3) | JSON_VALUES, "id": st.text(max_size=3) | JSON_VALUES}
    return request | draw(st.just({}) | st.fixed_dictionaries({}, optional=optional | {"parameters": JSON_VALUES}))


BODIES = st.one_of(
    st.binary(max_size=60),
    st.tuples(almost_requests().map(lambda value: json.dumps(value).encode()), st.binary(max_size=9)).map(b"".join),
    almost_requests().map(lambda value: json.dumps(value).encode()),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        LENGTH_HEADER: st.integers(-1, 400).map(str) | st.text("0123456789x ", max_size=4),
        "Content-Encoding": st.sampled_from(["gzip", "deflate", "identity", "br"]),
    },
)


def test_made_up_requests_are_answered_or_refused_and_never_fail(app, caplog):
    caplog.set_level("ERROR", "app.request")
    client = app.test_client()
    statuses = {}

    @generated(GENERATED_BODIES)
    @given(BODIES, st.one_of(st.just({}), HEADERS))
    def check(body, headers):
        path = PREDICT if b"instances" in body else INFER
        answer = client.post(path, data=body, headers=headers)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        if answer.status_code == 200:
            assert answer.data
        else:
            assert answer.status_code in {400, 413, 415}, answer.text
            assert answer.json.keys() == {"error"}
            assert len(answer.data) < 2000

    check()
    assert statuses[200] > GENERATED_BODIES / 100
    assert statuses[400] > GENERATED_BODIES / 10
