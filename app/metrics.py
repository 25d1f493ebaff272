"""Every metric object. Their names are public API: dashboards, alerts and load tests are checked against them.

Each worker keeps its counts in files of PROMETHEUS_MULTIPROC_DIR; app.scrape sums them. No label ever takes a caller's
text: every label's values come from a fixed list. Imports app.value and app.worker_metrics only.
"""

import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app import value
from app.value import Add
from app.worker_metrics import WorkerMetrics

# Around the SLO of 50 ms: the model takes tens of microseconds, and what takes more than ten seconds is lost.
LATENCY_BUCKETS_S = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
DIGITS = tuple(str(digit) for digit in range(10))
KINDS = ("flat", "rows", "picture", "bytes", "tensor")
PREDICT = "/predict"
# Every door to the model, and what is asked again and again only to see whether the service is there. The rules and
# dashboards that count the ones, or leave out the others, name these routes, too.
PREDICTION_ROUTES = (
    PREDICT,
    "/v2/models/<model>/infer",
    "/v2/models/<model>/versions/<version>/infer",
    "/v1/models/<model>:predict",
)
_PROBES = re.compile(r"/health.*|/v2/health.*|/v2/.*/ready|/v1/models/<model>")
UNMATCHED = "unmatched"  # the route of a request that no rule takes
OTHER = "other"  # what stands for every word of a caller's that is in no list


def known_method(method: str) -> str:
    """The method, if it is one of HTTP's usual ones."""
    return method if method in METHODS else OTHER


@cache  # of the few rules that there are
def is_probe(route: str) -> bool:
    """Whether a route is asked again and again only to see whether the service is there."""
    return bool(_PROBES.fullmatch(route))


class Metrics:
    """What one application counts, in a registry of its own."""

    def __init__(
        self,
        confidence_edges: Iterable[float],
        intensity_edges: Iterable[float],
        reasons: Iterable[str],
        registry: CollectorRegistry | None = None,
    ) -> None:
        """Make every metric. `reasons`: the codes of all errors; the edges are upper ones."""
        value.install()
        self.registry = registry or CollectorRegistry()
        in_progress = self._gauge(
            "mnist_requests_in_progress", "Requests being answered, or waiting for it", mode="livesum"
        )
        self.in_progress = value.adding(in_progress)
        self._init_requests(tuple(reasons))
        self._init_predictions(tuple(confidence_edges), tuple(intensity_edges))
        self.worker = WorkerMetrics(self.registry)

    def _init_requests(self, reasons: Sequence[str]) -> None:
        self._requests = self._counter(
            "mnist_http_requests_total",
            "Requests answered, by method, URL rule and status",
            ("method", "route", "status"),
        )
        # Looked up by plain dictionaries, which take half the time of `labels`.
        self._answered: dict[tuple[str, str, int], Add] = {}
        self._took: dict[str, Add] = {}
        # From the start, so that the first failure is an increase from 0, which `rate` sees.
        self._requests.labels(OTHER, UNMATCHED, "503")
        for route in PREDICTION_ROUTES:
            self._requests.labels("POST", route, "200")
            self._requests.labels("POST", route, "500")
        self._duration = self._histogram(
            "mnist_http_request_duration_seconds",
            "Seconds from a request's head to its answer, by URL rule",
            LATENCY_BUCKETS_S,
            ("route",),
        )
        for route in PREDICTION_ROUTES:
            self._duration.labels(route)
        self._rejected = self._counter(
            "mnist_rejected_total", "Requests answered with an error, by its code", ("reason",)
        )
        self._reasons = _children(self._rejected, (*reasons, OTHER))
        self._shed_requests = value.adding(self._requests.labels(OTHER, UNMATCHED, "503"))
        self._shed_reason = self._reasons["overloaded"]
        self._queue_wait = self._observing(
            "mnist_queue_wait_seconds",
            "Seconds that a request, its head read, waited for its turn in its worker",
            LATENCY_BUCKETS_S,
        )

    def _init_predictions(self, confidence_edges: Sequence[float], intensity_edges: Sequence[float]) -> None:
        self._latency = self._observing(
            "mnist_prediction_latency_seconds", "Seconds the model took for one request's images", LATENCY_BUCKETS_S
        )
        self._batch_size = self._observing("mnist_batch_size", "Images in one prediction request", BATCH_BUCKETS)
        self._inputs = _children(
            self._counter("mnist_inputs_total", "Images, by the form in which they came", ("kind",)), KINDS
        )
        self._predictions = list(
            _children(
                self._counter("mnist_predictions_total", "Images classified, by predicted digit", ("digit",)), DIGITS
            ).values()
        )
        self._confidence = self._observing(
            "mnist_prediction_confidence",
            "Probability of the predicted digit, one observation an image",
            confidence_edges,
        )
        self._intensity = self._observing(
            "mnist_input_intensity", "Mean pixel in 0..1, one observation an image", intensity_edges
        )
        feedback = self._counter(
            "mnist_feedback_total",
            "Predictions confirmed, by the true digit and whether it was predicted",
            ("label", "outcome"),
        )
        self._feedback = {
            (int(label), right): value.adding(feedback.labels(label, "right" if right else "wrong"))
            for label in DIGITS
            for right in (True, False)
        }

    def build(self, version: str, revision: str) -> None:
        """Say what is running."""
        labels = {"version": version, "revision": revision, "python": platform.python_version()}
        self._gauge("mnist_build_info", "1, with the build that is running as labels", tuple(labels)).labels(
            **labels
        ).set(1)

    def model(self, version: str, sha256: str, dataset: str, created_s: float) -> None:
        """Say which model is served, and when it was made, in seconds since 1970."""
        labels = {"version": version, "sha256": sha256, "dataset": dataset}
        self._gauge("mnist_model_info", "1, with the model that is served as labels", tuple(labels)).labels(
            **labels
        ).set(1)
        self._gauge("mnist_model_created_timestamp_seconds", "When the model was made, seconds since 1970").set(
            created_s
        )

    def reference(self, reference: Mapping[str, Any]) -> None:
        """Show what a manifest's `reference` says of the validation images, beside the live figures."""
        ratio = self._gauge(
            "mnist_reference_class_ratio", "Share of the validation images predicted as this digit", ("digit",)
        )
        for digit, share in zip(DIGITS, reference["class_ratio"], strict=True):
            ratio.labels(digit).set(share)
        for what in ("confidence", "intensity"):
            bins = self._gauge(
                f"mnist_reference_{what}_ratio",
                f"Share of the validation images with {what} above `above`, up to `le`",
                ("above", "le"),
            )
            edges = [float(edge) for edge in reference[what]["upper_edges"]]
            for above, le, share in zip([0.0, *edges], edges, reference[what]["ratio"], strict=False):
                bins.labels(above, le).set(share)

    def answered(self, method: str, route: str, status: int) -> None:
        """Count one answer. `route` is the URL rule, never the path."""
        key = (known_method(method), route, status)
        if (add := self._answered.get(key)) is None:
            add = self._answered[key] = value.adding(self._requests.labels(*key))
        add(1)

    def took(self, route: str, duration_s: float) -> None:
        """Count the time from a request's head to its answer."""
        if (observe := self._took.get(route)) is None:
            observe = self._took[route] = value.observing(self._duration.labels(route))
        observe(duration_s)

    def rejected(self, reason: str) -> None:
        """Count one request that was answered with an error."""
        self._reasons.get(reason, self._reasons[OTHER])(1)

    def shed(self) -> None:
        """Count one request that was refused for overload, unparsed."""
        self._shed_requests(1)
        self._shed_reason(1)

    def waited(self, duration_s: float) -> None:
        """Count the time that a request waited for its turn."""
        self._queue_wait(duration_s)

    def predicted(self, images: int, latency_s: float) -> None:
        """Count one request's turn in the model."""
        self._latency(latency_s)
        self._batch_size(images)

    def image(self, kind: str, digit: int, confidence: float, intensity: float) -> None:
        """Count one image: its form, the predicted digit and its probability, and the mean pixel in 0..1."""
        self._inputs[kind](1)
        self._predictions[digit](1)
        self._confidence(confidence)
        self._intensity(intensity)

    def feedback(self, label: int, right: bool) -> None:
        """Count one confirmed prediction."""
        self._feedback[label, right](1)

    def _counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], labels: Sequence[str] = ()) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def _observing(self, name: str, text: str, buckets: Sequence[float]) -> Add:
        return value.observing(self._histogram(name, text, buckets))

    def _gauge(self, name: str, text: str, labels: Sequence[str] = (), mode: str = "max") -> Gauge:
        # "max": what is the same in every worker is one series.
        return Gauge(name, text, labels, multiprocess_mode=mode, registry=self.registry)  # type: ignore[arg-type]


def _children(counter: Counter, labels: Iterable[str]) -> dict[str, Add]:
    """What adds to each label's counter, made now: so all are there from the start, and counting looks none up."""
    return {label: value.adding(counter.labels(label)) for label in labels}
