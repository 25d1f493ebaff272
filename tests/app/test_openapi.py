"""The description is what the service does: each route, each error, limits, and examples that work as they stand."""

import io

import msgspec
import numpy as np
import openapi_spec_validator
import pytest
from hypothesis import given, settings

from app import errors, picture
from app.config import Settings
from app.content import BYTES, FORM
from app.main import create_app
from tests.app.test_bad_input import almost_requests
from tests.description import Description
from tests.pictures import file_of

MAX_BYTES = 80_000


@pytest.fixture
def description(client):
    return Description(client.get("/openapi.json").json)


def test_description_is_openapi_3_1(description):
    assert description.document["openapi"].startswith("3.1")
    openapi_spec_validator.validate(description.document)


def test_every_route_is_described_and_nothing_else(app, description):
    routes = {
        f"{method} {rule.rule.replace('<', '{').replace('>', '}')}"
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert len(routes) > 8
    assert description.operations().keys() == routes


def test_every_route_has_a_sentence(description):
    for name, operation in description.operations().items():
        assert operation["summary"].endswith("."), name


def test_every_error_is_described_with_its_status(description):
    described = {
        (int(status), code)
        for name, operation in description.operations().items()
        for status in operation["responses"]
        for code in codes(description, name, status)
    }
    assert described == {*errors.STATUS.values(), *errors.REFUSED, (404, "not_found"), (500, "internal_error")}
    assert {code for _, code in described} == set(errors.CODES) - {"method_not_allowed"}


def codes(description, operation, status):
    found = description.response(operation, status)["description"].partition(": ")[2]
    return found.split(", ") if found else []


def test_every_example_is_taken_and_answered_as_described(client, description):
    taken = 0
    client.post("/predict", json={"image": [0] * 784}, headers={"X-Request-Id": "order-17"})
    for name, operation in description.operations().items():
        method = name.partition(" ")[0]
        for content_type, content in operation.get("requestBody", {"content": {}})["content"].items():
            for example in description.examples(content).values():
                answer = client.open(description.path(name), method=method, json=example, content_type=content_type)
                assert answer.status_code == 200, answer.text
                description.holds(name, 200, answer.headers, answer.json)
                taken += 1
    assert taken >= 6


@pytest.mark.parametrize("content_type", [*picture.TYPES, FORM, BYTES])
def test_every_content_type_that_is_described_is_taken(client, description, golden, content_type):
    assert content_type in description.operations()["POST /predict"]["requestBody"]["content"]
    pixels = np.uint8(np.reshape(golden[7].image, (28, 28)) * 255)
    if content_type == FORM:
        data = {"image": (io.BytesIO(file_of(pixels)), "seven.png")}
    else:
        data = pixels.tobytes() if content_type == BYTES else file_of(pixels, content_type.partition("/")[2])
    answer = client.post("/predict?top_k=2&explain=preprocessed", data=data, content_type=content_type)
    assert answer.json["prediction"] == 7
    description.holds("POST /predict", 200, answer.headers, answer.json)


def test_every_example_of_an_answer_has_its_shape(description):
    shown = 0
    for name in description.operations():
        for content in description.response(name, 200)["content"].values():
            for example in description.examples(content).values():
                assert description.valid(content["schema"], example)
                shown += 1
    assert shown >= 3


def test_example_of_a_prediction_is_the_services_own(client, description, tolerance):
    examples = description.document["components"]["examples"]
    answer = client.post("/predict", json=examples["numbers"]["value"]).json
    expected = examples["prediction"]["value"]
    assert answer["prediction"] == expected["prediction"]
    assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=tolerance)


def test_every_get_is_answered_as_described(client, description):
    asked = [name for name in description.operations() if name.startswith("GET ")]
    assert len(asked) > 15
    for name in asked:
        answer = client.get(description.path(name))
        description.holds(name, answer.status_code, answer.headers, answer.get_json(silent=True))
        assert answer.status_code == 200


def test_what_is_described_of_numbers_is_what_is_taken(client, description):
    schema = description.operations()["POST /predict"]["requestBody"]["content"]["application/json"]["schema"]
    answers = set()

    @settings(derandomize=True, deadline=None)
    @given(almost_requests())
    def check(body):
        status = client.post("/predict", json=body).status_code
        assert description.valid(schema, body) == (status == 200)
        answers.add(status)

    check()
    assert {200, 400} <= answers


@pytest.mark.parametrize(
    "path", ["/health", "/health/ready", "/v2/health/ready", "/v2/models/{model}/ready", "/v1/models/{model}"]
)
def test_probes_are_answered_as_described_while_draining(app, client, description, path):
    app.extensions["readiness"].draining = True
    answer = client.get(description.path(f"GET {path}"))
    assert answer.status_code == 503
    description.holds(f"GET {path}", 503, answer.headers, answer.json)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", b""),
        ("/predict", b"[]"),
        ("/predict", b'{"image": []}'),
        ("/predict", b"x" * (4 * 1024 * 1024 + 1)),
        ("/feedback", b"[]"),
        ("/feedback", b'{"request_id": "never-seen", "label": 7}'),
        ("/v1/models/{model}:predict", b"[]"),
        ("/v2/models/{model}/infer", b"[]"),
    ],
)
def test_errors_are_as_described(client, description, path, body):
    answer = client.post(description.path(f"POST {path}"), data=body)
    assert answer.status_code >= 400
    description.holds(f"POST {path}", answer.status_code, answer.headers, answer.json)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /predict HTTP/9.9\r\n\r\n", 400),
        (b"GET /model?" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /model HTTP/1.1\r\nHost: x\r\nExpect: cake\r\n\r\n", 417),
        (b"GET /model HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 10_000 + b"\r\n\r\n", 431),
    ],
)
@pytest.mark.parametrize("operation", ["GET /model", "GET /v2"])
def test_what_the_worker_answers_is_as_described(server, description, operation, head, status):
    found, headers, body = server.raw(head)
    assert found == status
    description.holds(operation, status, headers, msgspec.json.decode(body))


def test_limits_are_those_of_the_settings(classifier):
    client = create_app(Settings(max_batch=3), classifier).test_client()
    schemas = client.get("/openapi.json").json["components"]["schemas"]
    assert schemas["PredictRequest"]["properties"]["images"]["maxItems"] == 3


def test_description_is_small(client):
    assert len(client.get("/openapi.json").data) < MAX_BYTES
