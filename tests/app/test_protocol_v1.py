"""The inference protocol V1 as clients of TensorFlow Serving and of KServe see it."""

import json

import numpy as np
import pytest

from tests.app.protocol import PREDICT, assert_protocol_error

SEND = 'Send {"instances": [[784 numbers in 0..1], ...]}'


@pytest.fixture
def images(golden):
    """The golden images, float32 [10, 784]."""
    return np.float32([case.image for case in golden])


def test_models_are_listed(client):
    assert client.get("/v1/models").json == {"models": ["mnist"]}


def test_status_is_kserves_and_tensorflow_servings(app, client, classifier):
    version = {"version": classifier.bundle.manifest.version, "status": {"error_code": "OK", "error_message": ""}}
    assert client.get("/v1/models/mnist").json == {
        "name": "mnist",
        "ready": True,
        "model_version_status": [version | {"state": "AVAILABLE"}],
    }
    app.extensions["readiness"].draining = True
    assert client.get("/v1/models/mnist").json["model_version_status"] == [version | {"state": "UNLOADING"}]


@pytest.mark.parametrize("shape", [(10, 784), (10, 28, 28), (10, 28, 28, 1)], ids=str)
def test_instances_are_answered_as_by_predict(client, predict, images, shape):
    answer = client.post(PREDICT, json={"instances": images.reshape(shape).tolist()})
    expected = predict({"images": images.tolist()}).json["predictions"]
    assert answer.json == {"predictions": [one["probabilities"] for one in expected]}


@pytest.mark.parametrize("content_type", [None, "application/json", "application/x-www-form-urlencoded", "text/plain"])
def test_request_of_tensorflow_servings_documents_works(client, images, golden, content_type):
    """Sent as its tutorial does by requests, which names no type for a string, and by curl, which names a form's."""
    data = json.dumps({"signature_name": "serving_default", "instances": images[0:3].reshape(-1, 28, 28, 1).tolist()})
    predictions = json.loads(client.post(PREDICT, data=data, content_type=content_type).text)["predictions"]
    assert np.argmax(predictions, axis=1).tolist() == [case.label for case in golden[:3]]


def test_one_instance_is_remembered_for_feedback(client, images, golden):
    answer = client.post(PREDICT, json={"instances": [images[4].tolist()]}, headers={"X-Request-Id": "number-4"})
    assert answer.headers["X-Request-Id"] == "number-4"
    given = {"request_id": "number-4", "label": golden[4].label}
    assert client.post("/feedback", json=given).json["right"] is True


def test_instances_are_counted(client, images, sample):
    client.post(PREDICT, json={"instances": images[:3].tolist()})
    assert sample("mnist_inputs_total", kind="tensor") == 3
    route = "/v1/models/<model>:predict"
    assert sample("mnist_http_requests_total", method="POST", route=route, status="200") == 1


ROWS = [[0.0] * 28 for _ in range(28)]
BAD_REQUESTS = {
    "empty": ("", 400, "the body is empty", SEND),
    "list": ([], 400, "the body: expected `object`", SEND),
    "other key": ({"inputs": [[0] * 784]}, 400, "missing required field `instances`", SEND),
    "no instances": ({"instances": []}, 400, "nested 1 deep", SEND),
    "instances without numbers": ({"instances": [[]]}, 400, "has the shape [1, 0]", "[n, 784]"),
    "an image alone": ({"instances": [0] * 784}, 400, "nested 1 deep", SEND),
    "rows alone": ({"instances": ROWS}, 400, "has the shape [28, 28]", "[n, 28, 28]"),
    "null": ({"instances": None}, 400, "nested 0 deep", SEND),
    "objects": ({"instances": [{"image": [0] * 784}]}, 400, "nested 1 deep", SEND),
    "text": ({"instances": [["a"]]}, 400, "`instances[0][0]`: expected `float`, got `str`"),
    "783 numbers": ({"instances": [[0] * 783]}, 400, "has the shape [1, 783]"),
    "different shapes": ({"instances": [[0] * 784, [0] * 783]}, 400, "lists of different lengths"),
    "rows and numbers": ({"instances": [[0] * 784, ROWS]}, 400, "`instances[1][0]`: expected `float`"),
    "bytes": ({"instances": [[0] * 783 + [255]]}, 400, "`instances[0][783]` is 255", "divide by 255"),
    "129 images": ({"instances": [[0] * 784] * 129}, 413, "holds 129 images", "at most 128"),
    "nested without end": ('{"instances": ' + "[" * 100_000, 400, "nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_REQUESTS)
def test_bad_request(client, kind):
    request, status, *fragments = BAD_REQUESTS[kind]
    answer = client.post(PREDICT, data=request if isinstance(request, str) else json.dumps(request))
    assert_protocol_error(answer, status, *fragments)
