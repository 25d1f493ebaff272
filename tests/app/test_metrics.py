"""What is counted, in one process."""

from datetime import UTC, datetime

import numpy as np
import pytest

from app import errors
from app.config import Settings
from app.main import create_app
from app.metrics import PREDICTION_ROUTES


def test_requests_are_counted_by_rule_and_status(client, sample):
    client.get("/health")
    client.get("/health")
    client.post("/predict", data="{")
    name = "mnist_http_requests_total"
    assert sample(name, method="GET", route="/health", status="200") == 2
    assert sample(name, method="POST", route="/predict", status="400") == 1
    assert sample("mnist_http_request_duration_seconds_count", route="/health") == 2


def test_predictions_are_counted_by_digit(predict, sample, golden):
    predict({"images": [golden[4].image, golden[4].image, golden[7].image]})
    assert sample("mnist_predictions_total", digit="4") == 2
    assert sample("mnist_predictions_total", digit="7") == 1
    assert sample("mnist_prediction_confidence_count") == 3
    assert sample("mnist_prediction_latency_seconds_count") == 1


def test_every_digit_is_there_from_the_start(app):
    assert {labels["digit"] for labels in labels_of(app, "mnist_predictions_total")} == set("0123456789")


def test_model_info_names_the_model(classifier, sample):
    manifest = classifier.bundle.manifest
    assert sample("mnist_model_info", version=manifest.version, sha256=manifest.sha256, dataset=manifest.dataset) == 1


def test_first_failure_is_an_increase(app):
    """A series that begins with 1 shows Prometheus no increase."""
    counted = labels_of(app, "mnist_http_requests_total")
    for route in PREDICTION_ROUTES:
        assert {"method": "POST", "route": route, "status": "500"} in counted
    assert {"method": "other", "route": "unmatched", "status": "503"} in counted
    assert {"reason": "internal_error"} in labels_of(app, "mnist_rejected_total")


@pytest.mark.parametrize("method", ["BREW", "X" * 30])
def test_callers_method_is_no_label(client, app, method):
    before = labels_of(app, "mnist_http_requests_total")
    client.open("/no/such/path?with=query", method=method)
    new = [labels for labels in labels_of(app, "mnist_http_requests_total") if labels not in before]
    assert new == [{"method": "other", "route": "unmatched", "status": "404"}]


def test_a_thousand_paths_are_one_series(client, app):
    random = np.random.default_rng(0)
    client.get("/warm-up")
    before = series_of(app)
    for name in random.integers(0, 2**63, 1000):
        client.get(f"/{name}/{name}?{name}={name}", headers={"X-Request-Id": str(name), "User-Agent": str(name)})
    assert series_of(app) == before


def test_errors_are_counted_by_their_code(client, predict, sample, golden):
    predict({"image": [0] * 783})
    predict({"image": [0] * 784, "images": []})
    client.get("/predict")
    predict({"image": golden[0].image})
    counted = {reason: sample("mnist_rejected_total", reason=reason) for reason in errors.CODES}
    assert {reason for reason, count in counted.items() if count} == {
        "invalid_image",
        "invalid_request",
        "method_not_allowed",
    }


def test_a_code_that_nobody_listed_is_no_label(app, sample):
    app.extensions["metrics"].rejected("whatever")
    assert sample("mnist_rejected_total", reason="other") == 1
    assert {"reason": "whatever"} not in labels_of(app, "mnist_rejected_total")


def test_an_unexpected_error_is_counted_and_logged_without_the_image(app, golden, sample, caplog):
    app.extensions["classifier"].predict = None
    try:
        answer = app.test_client().post("/predict", json={"image": golden[0].image})
    finally:
        del app.extensions["classifier"].predict
    assert answer.status_code == 500
    assert sample("mnist_http_requests_total", method="POST", route="/predict", status="500") == 1
    assert sample("mnist_rejected_total", reason="internal_error") == 1
    assert "0.99" not in caplog.text


def test_what_an_image_looks_like_is_counted(predict, sample, golden):
    rows = np.float32(golden[2].image).reshape(28, 28).tolist()
    predict({"images": [golden[2].image, golden[2].image, rows]})
    assert sample("mnist_inputs_total", kind="flat") == 2
    assert sample("mnist_inputs_total", kind="rows") == 1
    assert sample("mnist_batch_size_sum") == 3
    assert sample("mnist_batch_size_count") == 1
    assert sample("mnist_input_intensity_count") == 3
    assert sample("mnist_input_intensity_sum") == pytest.approx(3 * np.mean(golden[2].image), rel=1e-5)


def test_the_reference_stands_beside_the_live_histograms(app, sample, classifier):
    reference = classifier.bundle.manifest.reference
    assert [sample("mnist_reference_class_ratio", digit=str(digit)) for digit in range(10)] == reference["class_ratio"]
    for what, live in (("confidence", "mnist_prediction_confidence"), ("intensity", "mnist_input_intensity")):
        bins = labels_of(app, f"mnist_reference_{what}_ratio")
        live_edges = [labels["le"] for labels in labels_of(app, f"{live}_bucket")]
        assert [one["le"] for one in bins] == live_edges[:-1]
        assert [one["above"] for one in bins] == ["0.0", *live_edges[:-2]]
        ratios = [sample(f"mnist_reference_{what}_ratio", **one) for one in bins]
        assert ratios == reference[what]["ratio"]
        assert sum(ratios) == pytest.approx(1)


def test_the_models_age_is_that_of_the_manifest(sample, classifier):
    created = datetime.fromtimestamp(sample("mnist_model_created_timestamp_seconds"), UTC)
    assert f"{created:%Y-%m-%dT%H:%M:%SZ}" == classifier.bundle.manifest.created


def test_build_is_named(classifier):
    app = create_app(Settings(version="1.2", revision="abc"), classifier)
    (labels,) = labels_of(app, "mnist_build_info")
    assert (labels["version"], labels["revision"]) == ("1.2", "abc")


def labels_of(app, name):
    families = app.extensions["metrics"].registry.collect()
    return [sample.labels for family in families for sample in family.samples if sample.name == name]


def series_of(app):
    families = app.extensions["metrics"].registry.collect()
    return {(one.name, tuple(one.labels.items())) for family in families for one in family.samples}
