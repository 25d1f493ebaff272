"""The Open Inference Protocol V2 as a client sees it. What it refuses: test_inference_refusals.py."""

import json
import logging

import numpy as np
import pytest

from app.config import Settings
from app.main import create_app
from app.metrics import PREDICTION_ROUTES, is_probe
from tests.app.protocol import (
    INFER,
    LENGTH_HEADER,
    MODEL,
    binary_tensor,
    outputs_of,
    tensor,
    with_binary,
)


@pytest.fixture
def infer(client):
    """A function that posts a JSON value to the inference endpoint."""
    return lambda value: client.post(INFER, data=json.dumps(value))


@pytest.fixture
def images(golden):
    """The golden images, float32 [10, 784]."""
    return np.float32([case.image for case in golden])


def test_server_says_what_it_is(classifier):
    app = create_app(Settings(version="1.2.3"), classifier)
    for path in ("/v2", "/v2/"):
        assert app.test_client().get(path).json == {
            "name": "mnist-api",
            "version": "1.2.3",
            "extensions": ["binary_tensor_data", "classification"],
        }


def test_server_is_live_and_ready(client):
    assert client.get("/v2/health/live").json == {"live": True}
    assert client.get("/v2/health/ready").json == {"ready": True, "live": True}


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/{{version}}"])
def test_model_says_what_it_takes_and_gives(client, classifier, path):
    version = classifier.bundle.manifest.version
    answer = client.get(path.format(version=version))
    assert answer.status_code == 200
    assert (answer.json["name"], answer.json["versions"], answer.json["platform"]) == (
        "mnist",
        [version],
        "litert_tflite",
    )
    (taken,) = answer.json["inputs"]
    assert (taken["name"], taken["datatype"], taken["shape"]) == ("image", "FP32", [-1, 784])
    assert answer.json["outputs"] == [
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
        {"name": "prediction", "datatype": "INT64", "shape": [-1]},
    ]
    ready = client.get(f"{path.format(version=version)}/ready")
    assert (ready.status_code, ready.json) == (200, {"name": "mnist", "ready": True})


def test_draining_turns_readiness_off_and_leaves_liveness(app, client):
    app.extensions["readiness"].draining = True
    for path in ("/v2/health/ready", f"{MODEL}/ready", "/v1/models/mnist"):
        answer = client.get(path)
        assert (answer.status_code, answer.json["ready"]) == (503, False)
    assert client.get("/v2/health/live").json == {"live": True}


def test_model_has_the_name_that_is_set(classifier, images):
    client = create_app(Settings(model_name="digits"), classifier).test_client()
    assert client.get("/v2/models/digits").json["name"] == "digits"
    assert client.get("/v2/models/mnist").status_code == 404
    answer = client.post("/v2/models/digits/infer", json={"inputs": [tensor(images[0].tolist())]})
    assert answer.json["model_name"] == "digits"


SHAPES = {
    "[n, 784]": (4, 784),
    "[n, 28, 28]": (4, 28, 28),
    "[n, 28, 28, 1]": (4, 28, 28, 1),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("nested", [True, False], ids=["nested", "flat"])
def test_each_image_is_answered_as_by_predict(infer, predict, images, shape, nested):
    given = images[3:7].reshape(shape)
    answer = infer({"inputs": [tensor(given.tolist() if nested else given.ravel().tolist(), shape)]})
    expected = predict({"images": images[3:7].tolist()}).json["predictions"]
    found = outputs_of(answer)
    assert found.keys() == {"probabilities", "prediction"}
    assert found["probabilities"].tolist() == [one["probabilities"] for one in expected]
    assert found["prediction"].tolist() == [one["prediction"] for one in expected]


@pytest.mark.parametrize("shape", [(784,), (28, 28), (1, 784), (1, 28, 28), (1, 28, 28, 1)], ids=str)
@pytest.mark.parametrize("nested", [True, False], ids=["nested", "flat"])
def test_one_image_may_come_without_its_count(infer, images, golden, shape, nested):
    given = images[8].reshape(shape)
    found = outputs_of(infer({"inputs": [tensor(given.tolist() if nested else given.ravel().tolist(), shape)]}))
    assert found["prediction"].tolist() == [golden[8].label]
    assert found["probabilities"].shape == (1, 10)


DTYPES = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "UINT8": "u1", "INT32": "<i4", "INT64": "<i8"}


@pytest.mark.parametrize("datatype", DTYPES)
@pytest.mark.parametrize("in_binary", [True, False], ids=["binary", "JSON"])
def test_datatypes_hold_the_same_images(client, predict, images, datatype, in_binary):
    """Those of whole numbers hold 0..255."""
    whole = "INT" in datatype
    given = ((images * 255).round() if whole else images).astype(DTYPES[datatype])
    seen = np.float32(given) / np.float32(255 if whole else 1)
    if in_binary:
        request = {"inputs": [binary_tensor(given.nbytes, given.shape, datatype)]}
        answer = client.post(INFER, **with_binary(request, given.tobytes()))
    else:
        answer = client.post(INFER, json={"inputs": [tensor(given.tolist(), given.shape, datatype)]})
    expected = predict({"images": seen.tolist()}).json["predictions"]
    assert outputs_of(answer)["probabilities"].tolist() == [one["probabilities"] for one in expected]


def test_answer_names_model_version_and_id(infer, images, classifier):
    answer = infer({"id": 'a ü " id', "inputs": [tensor(images[0].tolist())]}).json
    assert answer.keys() == {"model_name", "model_version", "id", "outputs"}
    assert (answer["model_name"], answer["model_version"]) == ("mnist", classifier.bundle.manifest.version)
    assert answer["id"] == 'a ü " id'


def test_answer_without_an_id_of_the_callers_has_the_requests(infer, images):
    answer = infer({"inputs": [tensor(images[0].tolist())]})
    assert answer.json["id"] == answer.headers["X-Request-Id"]


def test_version_in_the_path_is_the_same_model(client, images, classifier):
    path = f"{MODEL}/versions/{classifier.bundle.manifest.version}/infer"
    answer = client.post(path, json={"inputs": [tensor(images[2].tolist())], "id": "1"})
    assert answer.data == client.post(INFER, json={"inputs": [tensor(images[2].tolist())], "id": "1"}).data


@pytest.mark.parametrize(
    "more",
    [
        {"parameters": {"sequence_id": 3, "priority": 1, "custom": "x"}},
        {"parameters": None, "outputs": None, "id": None},
        {"parameters": {}, "outputs": []},
        {"model_name": "mnist"},
    ],
)
def test_what_clients_send_beside_is_taken(infer, images, more):
    """Parameters that mean nothing here, and the nulls of clients that write every field."""
    inputs = [tensor(images[1].tolist(), parameters={"content_type": "np"})]
    assert outputs_of(infer({"inputs": inputs} | more)).keys() == {"probabilities", "prediction"}


@pytest.mark.parametrize("content_type", [None, "application/json", "application/octet-stream", "text/plain"])
def test_content_type_does_not_matter(client, images, content_type):
    body = json.dumps({"inputs": [tensor(images[5].tolist())]})
    assert client.post(INFER, data=body, content_type=content_type).status_code == 200


@pytest.mark.parametrize("names", [["prediction"], ["probabilities"], ["prediction", "probabilities"]])
def test_outputs_are_those_that_are_asked_for_in_their_order(infer, images, names):
    answer = infer({"inputs": [tensor(images[0].tolist())], "outputs": [{"name": name} for name in names]})
    assert [output["name"] for output in answer.json["outputs"]] == names


@pytest.mark.parametrize(
    ("whole", "single", "binary"),
    [(None, True, True), (True, None, True), (True, False, False), (False, True, True), (None, None, False)],
)
def test_outputs_come_in_binary_where_that_is_asked_for(infer, images, whole, single, binary):
    """`binary_data` of an output decides, `binary_data_output` of the request where that is silent."""
    request = {"inputs": [tensor(images[:3].tolist(), (3, 784))]}
    in_json = outputs_of(infer(request))
    parameters = {} if single is None else {"parameters": {"binary_data": single}}
    request["outputs"] = [{"name": "prediction"}, {"name": "probabilities"} | parameters]
    if whole is not None:
        request["parameters"] = {"binary_data_output": whole}
    answer = infer(request)
    assert (LENGTH_HEADER in answer.headers) is (binary or bool(whole))
    found = outputs_of(answer)
    for name, expected in in_json.items():
        assert np.array_equal(found[name], expected)
    assert found["probabilities"].dtype == (np.float32 if binary else np.float64)


def test_request_without_json_is_images_and_answered_in_binary(client, images):
    answer = client.post(INFER, data=images[4:6].tobytes(), headers={LENGTH_HEADER: "0"})
    expected = outputs_of(client.post(INFER, json={"inputs": [tensor(images[4:6].tolist(), (2, 784))]}))
    found = outputs_of(answer)
    assert answer.mimetype == "application/octet-stream"
    assert found["probabilities"].dtype == np.float32
    for name in ("probabilities", "prediction"):
        assert np.array_equal(found[name], expected[name])


@pytest.mark.parametrize("in_binary", [True, False], ids=["binary", "JSON"])
@pytest.mark.parametrize("count", [1, 3, 10])
def test_classes_are_value_index_and_label_from_the_likeliest_on(infer, images, golden, count, in_binary):
    parameters = {"classification": count, "binary_data": in_binary}
    outputs = [{"name": "probabilities", "parameters": parameters}]
    answer = infer({"inputs": [tensor(images.tolist(), (10, 784))], "outputs": outputs})
    found = outputs_of(answer)["probabilities"]
    assert found.shape == (10, count)
    for case, classes in zip(golden, found, strict=True):
        parts = [text.split(":") for text in classes]
        expected = sorted(range(10), key=lambda digit: -case.probabilities[digit])[:count]
        assert [int(index) for _, index, _ in parts] == expected
        assert all(label == index for _, index, label in parts)
        values = [float(value) for value, _, _ in parts]
        assert values == pytest.approx([case.probabilities[digit] for digit in expected], abs=1e-3)
        assert values == sorted(values, reverse=True)


def test_classes_are_of_datatype_bytes(infer, images):
    outputs = [{"name": "probabilities", "parameters": {"classification": 2}}]
    (output,) = infer({"inputs": [tensor(images[0].tolist())], "outputs": outputs}).json["outputs"]
    assert (output["datatype"], output["shape"], len(output["data"])) == ("BYTES", [1, 2], 2)


def test_one_image_is_remembered_for_feedback(client, images, golden):
    answer = client.post(INFER, json={"inputs": [tensor(images[7].tolist())]})
    given = {"request_id": answer.json["id"], "label": golden[7].label}
    assert client.post("/feedback", json=given).json["right"] is True


def test_several_images_are_not_remembered(client, images):
    answer = client.post(INFER, json={"inputs": [tensor(images[:2].tolist(), (2, 784))]})
    assert client.post("/feedback", json={"request_id": answer.json["id"], "label": 1}).status_code == 404


def test_images_and_requests_are_counted_like_any_other(client, images, sample):
    client.post(INFER, json={"inputs": [tensor(images[:3].tolist(), (3, 784))]})
    client.post(INFER, data=images[3].tobytes(), headers={LENGTH_HEADER: "0"})
    client.post(INFER, json={})
    route = "/v2/models/<model>/infer"
    assert sample("mnist_inputs_total", kind="tensor") == 4
    assert sample("mnist_batch_size_sum") == 4
    assert sample("mnist_http_requests_total", method="POST", route=route, status="200") == 2
    assert sample("mnist_http_requests_total", method="POST", route=route, status="400") == 1
    assert sample("mnist_http_request_duration_seconds_count", route=route) == 3
    assert sample("mnist_rejected_total", reason="invalid_request") == 1


def test_line_of_one_image_says_what_was_predicted(client, images, golden, caplog):
    caplog.set_level(logging.INFO, "app.request")
    client.post(INFER, json={"inputs": [tensor(images[9].tolist())]})
    client.post(INFER, json={"inputs": [tensor(images[:2].tolist(), (2, 784))]})
    single, batch = caplog.records
    assert (single.route, single.digit) == ("/v2/models/<model>/infer", golden[9].label)
    assert 0 < single.confidence <= 1
    assert not hasattr(batch, "digit")


def test_lines_of_probes_are_quiet(client, caplog):
    caplog.set_level(logging.INFO, "app.request")
    for path in ("/v2/health/live", "/v2/health/ready", f"{MODEL}/ready", "/v1/models/mnist"):
        assert client.get(path).status_code == 200
    assert caplog.records == []
    client.get(MODEL)
    assert len(caplog.records) == 1


def test_routes_to_the_model_are_those_that_are_counted_as_such(app):
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    doors = {rule for rule in rules if rule.rpartition("/")[2] in {"predict", "infer", "<model>:predict"}}
    assert set(PREDICTION_ROUTES) == doors
    assert not any(map(is_probe, PREDICTION_ROUTES))
    assert {rule for rule in rules if is_probe(rule)} == {
        *("/health", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"),
        *("/v2/models/<model>/ready", "/v2/models/<model>/versions/<version>/ready", "/v1/models/<model>"),
    }
