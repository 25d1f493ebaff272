"""What is counted, in one process."""

import pytest


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


@pytest.mark.parametrize("method", ["BREW", "X" * 30])
def test_callers_text_is_no_label(client, app, method):
    client.open("/no/such/path?with=query", method=method)
    assert labels_of(app, "mnist_http_requests_total") == [{"method": "other", "route": "unmatched", "status": "404"}]


def labels_of(app, name):
    families = app.extensions["metrics"].registry.collect()
    return [sample.labels for family in families for sample in family.samples if sample.name == name]
