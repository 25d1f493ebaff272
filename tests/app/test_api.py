"""The public API as a caller sees it."""

import json

import numpy as np
import pytest

from app.config import Settings
from app.main import create_app


def test_root_says_what_can_be_asked(client):
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.json.keys() == {"message", "status", "endpoints"}
    assert "POST /predict" in answer.json["endpoints"]


def test_health_is_the_originals(client):
    assert client.get("/health").json == {"status": "healthy", "model_loaded": True}


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/model", "/example"])
def test_get_answers_200_as_json(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")


def test_draining_turns_readiness_off_and_leaves_liveness(app, client):
    app.extensions["readiness"].draining = True
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health").json["status"] == "unhealthy"
    assert client.get("/health").status_code == 503
    assert client.get("/health/live").status_code == 200


def test_model_answers_the_manifest(client, classifier):
    assert client.get("/model").json == classifier.bundle.manifest.to_dict()


def test_example_can_be_posted_as_it_stands(client, golden):
    answer = client.post("/predict", data=client.get("/example").data, content_type="application/json")
    assert answer.json["prediction"] == golden[0].label


def test_predict_answers_as_the_original_did(predict, golden, tolerance):
    for case in golden:
        answer = predict({"image": case.image})
        assert answer.status_code == 200
        assert answer.json.keys() == {"prediction", "confidence", "probabilities"}
        assert answer.json["prediction"] == case.label
        assert answer.json["confidence"] == max(answer.json["probabilities"])
        assert answer.json["probabilities"] == pytest.approx(case.probabilities, abs=tolerance)


def test_rows_are_the_same_image_as_numbers(predict, golden):
    rows = np.reshape(golden[3].image, (28, 28)).tolist()
    assert predict({"image": rows}).json == predict({"image": golden[3].image}).json


def test_whole_numbers_are_numbers(predict):
    assert predict({"image": [0] * 783 + [1]}).status_code == 200


@pytest.mark.parametrize("length", [1, 2, 10, 128])
def test_batch_answers_each_image_in_order(predict, golden, tolerance, length):
    cases = [golden[index % 10] for index in range(length)]
    images = [
        case.image if index % 2 else np.reshape(case.image, (28, 28)).tolist() for index, case in enumerate(cases)
    ]
    predictions = predict({"images": images}).json["predictions"]
    assert [prediction["prediction"] for prediction in predictions] == [case.label for case in cases]
    for prediction, case in zip(predictions, cases, strict=True):
        assert prediction["probabilities"] == pytest.approx(case.probabilities, abs=tolerance)


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "application/json; charset=utf-8", "application/x+json"]
)
def test_json_is_taken_with_and_without_content_type(client, golden, content_type):
    answer = client.post("/predict", data=json.dumps({"image": golden[0].image}), content_type=content_type)
    assert answer.status_code == 200


def test_callers_request_id_is_returned(client):
    assert client.get("/", headers={"X-Request-Id": "order-66.a_b"}).headers["X-Request-Id"] == "order-66.a_b"


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "ümlaut"])
def test_unfit_request_id_is_replaced(client, given):
    found = client.get("/", headers={"X-Request-Id": given}).headers["X-Request-Id"]
    assert len(found) == 32


class BrokenClassifier:
    """A part that fails: what a bug in the model's runtime would look like."""

    def __init__(self, bundle):
        self.bundle = bundle

    def predict(self, _):
        raise RuntimeError("secret detail")


@pytest.fixture
def broken_client(classifier):
    return create_app(Settings(), BrokenClassifier(classifier.bundle)).test_client()


def test_liveness_does_not_touch_the_model(broken_client):
    assert broken_client.get("/health/live").status_code == 200


def test_unexpected_error_is_500_without_trace_and_is_logged_with_it(broken_client, golden, caplog):
    answer = broken_client.post("/predict", data=json.dumps({"image": golden[0].image}))
    assert answer.status_code == 500
    assert answer.json["error"]["code"] == "internal_error"
    assert b"secret detail" not in answer.data
    assert "secret detail" in caplog.text
    assert caplog.records[-1].request_id == answer.json["error"]["request_id"]
