"""The application: the one place where its objects are made and wired together."""

import gc
import logging
import os
import sys
from importlib.util import find_spec
from time import perf_counter
from typing import Any

from flask import Flask, Response, g, request

from app import body, counts, errors, logs, model, trace
from app.api import Api, Readiness
from app.bundle import CONFIDENCE_EDGES, INTENSITY_EDGES, BundleError
from app.config import Settings
from app.feedback import Feedback
from app.metrics import UNMATCHED, Metrics, known_method
from app.model import Classifier

log = logging.getLogger(__name__)


def create_app(settings: Settings, classifier: Classifier) -> Flask:
    """Wire an application that serves a Classifier."""
    app = Flask("app", static_folder=None)
    app.url_map.merge_slashes = False  # //predict is unknown, not a redirect
    metrics = Metrics(CONFIDENCE_EDGES, INTENSITY_EDGES, errors.CODES)
    readiness = Readiness()
    manifest = classifier.bundle.manifest
    metrics.build(settings.version, settings.revision)
    metrics.model(manifest.version, manifest.sha256, manifest.dataset, manifest.created_s)
    metrics.reference(manifest.reference)
    feedback = Feedback(settings.feedback_requests, settings.feedback_s, os.environ.get(counts.VARIABLE))
    Api(settings, classifier, metrics, feedback, readiness).register(app)
    errors.register(app)
    _observe(app, settings, metrics, readiness, manifest.sha256)
    app.extensions.update(settings=settings, metrics=metrics, readiness=readiness, classifier=classifier)
    return app


def from_environment() -> Flask:
    """Make the application that gunicorn serves. Exits with one message if its Bundle cannot be served."""
    settings = Settings.from_env(os.environ)
    try:
        with logs.captured("litert"):
            classifier = model.load(settings.model_dir)
    except BundleError as error:
        sys.exit(f"mnist-api cannot start: {error}")
    manifest = classifier.bundle.manifest
    log.info("model loaded", extra={"model_version": manifest.version, "model_sha256": manifest.sha256})
    if settings.tracing == "on" and not find_spec("opentelemetry"):
        sys.exit(
            "mnist-api cannot start: MNIST_TRACING=on needs the packages of requirements/tracing.txt:"
            " build the image with BUILD_ARGS='--build-arg REQUIREMENTS=tracing'."
        )
    try:
        app = create_app(settings, classifier)
    except OSError as error:
        sys.exit(f"mnist-api cannot start: no room for MNIST_FEEDBACK_REQUESTS={settings.feedback_requests}: {error}")
    # What was made up to here stays: no worker needs to look through it for garbage, or copy it while it does.
    gc.collect()
    gc.freeze()
    return app


def _observe(app: Flask, settings: Settings, metrics: Metrics, readiness: Readiness, sha256: str) -> None:
    """Give each request an id, a trace, a place in the metrics and a line in the log, whatever becomes of it."""

    @app.before_request
    def begin() -> None:
        g.start = request.environ.get("mnist.arrived") or perf_counter()
        g.request_id = logs.request_id(request.headers.get(logs.REQUEST_ID_HEADER))
        g.trace = trace.continued(request.headers.get(trace.TRACEPARENT_HEADER))

    @app.after_request
    def end(response: Response) -> Response:
        response.headers[logs.REQUEST_ID_HEADER] = g.request_id
        response.headers[trace.TRACEPARENT_HEADER] = g.trace.header()
        # With its body unread, where the next request begins is unknown, or as far away as the caller likes. And while
        # the server stops, the next request belongs elsewhere.
        if body.is_unread(request) or readiness.draining:
            response.headers["Connection"] = "close"
        route = request.url_rule.rule if request.url_rule else UNMATCHED
        duration_s = perf_counter() - g.start
        metrics.answered(request.method, route, response.status_code)
        metrics.took(route, duration_s)
        if error := g.get("error"):
            metrics.rejected(error)
        _log(settings, route, response.status_code, duration_s, sha256)
        return response


def _log(settings: Settings, route: str, status: int, duration_s: float, sha256: str) -> None:
    """Write the request's line: nothing of its path, headers or body, which may hold secrets and images."""
    if status < 400 and not logs.is_sampled(g.request_id, settings.log_sample):
        return
    values: dict[str, Any] = {
        "request_id": g.request_id,
        "trace_id": g.trace.trace_id,
        "span_id": g.trace.span_id,
        "method": known_method(request.method),
        "route": route,
        "duration_ms": round(duration_s * 1000, 3),
    }
    if prediction := g.get("prediction"):
        values |= {
            "digit": prediction.prediction,
            "confidence": round(prediction.confidence, 6),
            "model_sha256": sha256,
        }
    if error := g.get("error"):
        values["error"] = error
    # Probes ask every second or two, and say nothing as long as all is well.
    logs.request(status, quiet=status < 400 and route.startswith("/health"), **values)
