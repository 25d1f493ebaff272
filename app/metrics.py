"""Every metric object. Their names are public API: dashboards, alerts and load tests are checked against them.

Each worker keeps its counts in files of PROMETHEUS_MULTIPROC_DIR; whoever scrapes gets the sum over all workers.
Imports no other module of app.
"""

from collections.abc import Iterable
from pathlib import Path
from wsgiref.simple_server import WSGIServer

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

LATENCY_BUCKETS_S = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """What one application counts, in a registry of its own. No label ever takes a caller's text."""

    def __init__(self, confidence_edges: Iterable[float], registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._requests = Counter(
            "mnist_http_requests_total",
            "Requests answered, by method, URL rule and status",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "mnist_http_request_duration_seconds",
            "Seconds from a request's head to its answer, by URL rule",
            ("route",),
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self._latency = Histogram(
            "mnist_prediction_latency_seconds",
            "Seconds the model took for one request's images",
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        predictions = Counter(
            "mnist_predictions_total", "Images classified, by predicted digit", ("digit",), registry=self.registry
        )
        self._predictions = [predictions.labels(str(digit)) for digit in range(10)]
        self._confidence = Histogram(
            "mnist_prediction_confidence",
            "Probability of the predicted digit, one observation an image",
            buckets=tuple(confidence_edges),
            registry=self.registry,
        )
        # "max": every worker serves the same model, so one series stands for all of them.
        self._model_info = Gauge(
            "mnist_model_info",
            "1, with the model that is served as labels",
            ("version", "sha256", "dataset"),
            multiprocess_mode="max",
            registry=self.registry,
        )

    def model(self, version: str, sha256: str, dataset: str) -> None:
        """Say which model is served."""
        self._model_info.labels(version, sha256, dataset).set(1)

    def request(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one answered request. `route` is the URL rule, never the path."""
        self._requests.labels(method if method in METHODS else "other", route, str(status)).inc()
        self._duration.labels(route).observe(duration_s)

    def prediction(self, probabilities: NDArray[np.float32], latency_s: float) -> None:
        """Count one request's predictions, float [n, 10]."""
        self._latency.observe(latency_s)
        for digit, confidence in zip(
            probabilities.argmax(axis=1).tolist(), probabilities.max(axis=1).tolist(), strict=True
        ):
            self._predictions[digit].inc()
            self._confidence.observe(confidence)


def serve(host: str, port: int, folder: Path) -> WSGIServer:
    """Answer scrapes with the sum over the workers, who count in `folder`. Raises OSError if the port is taken."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    server, _ = start_http_server(port, host, registry)
    return server
