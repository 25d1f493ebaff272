"""The application: the one place where its objects are made and wired together."""

import gc
import logging
import os
import sys
from importlib.util import find_spec
from time import perf_counter

from flask import Flask, Response, g, request

from app import body, counts, errors, logs, model, openapi, trace
from app.api import Api
from app.bundle import CONFIDENCE_EDGES, INTENSITY_EDGES, BundleError
from app.config import Settings
from app.feedback import Feedback
from app.inference_protocol import InferenceProtocol
from app.lane import Hooks, Lane
from app.metrics import UNMATCHED, Metrics
from app.model import Classifier
from app.observation import Answered, Observation
from app.predictor import Predictor
from app.protocol_v1 import ProtocolV1
from app.readiness import Readiness
from app.served_model import NameConverter, ServedModel

log = logging.getLogger(__name__)


def create_app(settings: Settings, classifier: Classifier) -> Flask:
    """Wire an application that serves a Classifier."""
    app = Flask("app", static_folder=None)
    app.url_map.merge_slashes = False  # //predict is unknown, not a redirect
    app.url_map.converters["default"] = NameConverter
    metrics = Metrics(CONFIDENCE_EDGES, INTENSITY_EDGES, errors.CODES)
    readiness = Readiness()
    manifest = classifier.bundle.manifest
    metrics.build(settings.version, settings.revision)
    metrics.model(manifest.version, manifest.sha256, manifest.dataset, manifest.created_s)
    metrics.reference(manifest.reference)
    feedback = Feedback(settings.feedback_requests, settings.feedback_s, os.environ.get(counts.VARIABLE))
    predictor = Predictor(classifier, metrics)
    Api(settings, classifier, predictor, metrics, feedback, readiness).register(app)
    served = ServedModel(settings.model_name, manifest, predictor, feedback, readiness)
    InferenceProtocol(settings, served).register(app)
    ProtocolV1(settings, served).register(app)
    openapi.register(app, settings, classifier.bundle)
    errors.register(app)
    observation = Observation(settings, metrics, manifest.sha256)
    hooks = _observe(app, observation, readiness)
    lane = Lane(settings, predictor, feedback, observation, hooks)
    app.extensions.update(settings=settings, metrics=metrics, readiness=readiness, classifier=classifier, lane=lane)
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
    app.extensions["openapi"]()  # made here once, and not in each worker
    # What was made up to here stays: no worker needs to look through it for garbage, or copy it while it does.
    gc.collect()
    gc.freeze()
    return app


def _observe(app: Flask, observation: Observation, readiness: Readiness) -> Hooks:
    """Give each request an id, a trace, a place in the metrics and a line in the log, whatever becomes of it.

    Returns the hooks that do so.
    """

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
        answered = Answered(
            request_id=g.request_id,
            trace=g.trace,
            start=g.start,
            method=request.method,
            route=request.url_rule.rule if request.url_rule else UNMATCHED,
            status=response.status_code,
            prediction=g.get("prediction"),
            error=g.get("error"),
        )
        observation.take(answered, overloaded=bool(request.environ.get("mnist.overloaded")))
        return response

    return Hooks({None: [begin]}, {None: [end]})
