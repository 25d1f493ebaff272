"""The application: the one place where its objects are made and wired together."""

import logging
import os
import sys
from time import perf_counter

from flask import Flask, Response, g, request

from app import body, errors, model
from app.api import Api, Readiness
from app.bundle import CONFIDENCE_EDGES, BundleError
from app.config import Settings
from app.logs import REQUEST_ID_HEADER, request_id
from app.metrics import Metrics
from app.model import Classifier

log = logging.getLogger(__name__)


def create_app(settings: Settings, classifier: Classifier) -> Flask:
    """Wire an application that serves a Classifier."""
    app = Flask("app", static_folder=None)
    app.url_map.merge_slashes = False  # //predict is unknown, not a redirect
    metrics = Metrics(CONFIDENCE_EDGES)
    readiness = Readiness()
    manifest = classifier.bundle.manifest
    metrics.model(manifest.version, manifest.sha256, manifest.dataset)
    Api(settings, classifier, metrics, readiness).register(app)
    errors.register(app)
    _observe(app, metrics, readiness)
    app.extensions.update(metrics=metrics, readiness=readiness, classifier=classifier)
    return app


def from_environment() -> Flask:
    """Make the application that gunicorn serves. Exits with one message if its Bundle cannot be served."""
    settings = Settings.from_env(os.environ)
    try:
        classifier = model.load(settings.model_dir)
    except BundleError as error:
        sys.exit(f"mnist-api cannot start: {error}")
    manifest = classifier.bundle.manifest
    log.info("model loaded", extra={"model_version": manifest.version, "model_sha256": manifest.sha256})
    return create_app(settings, classifier)


def _observe(app: Flask, metrics: Metrics, readiness: Readiness) -> None:
    """Give each request an id and a place in the metrics, whatever becomes of it."""

    @app.before_request
    def begin() -> None:
        g.start = perf_counter()
        g.request_id = request_id(request.headers.get(REQUEST_ID_HEADER))

    @app.after_request
    def end(response: Response) -> Response:
        response.headers[REQUEST_ID_HEADER] = g.request_id
        # With its body unread, where the next request begins is unknown, or as far away as the caller likes. And while
        # the server stops, the next request belongs elsewhere.
        if body.is_unread(request) or readiness.draining:
            response.headers["Connection"] = "close"
        route = request.url_rule.rule if request.url_rule else "unmatched"
        metrics.request(request.method, route, response.status_code, perf_counter() - g.start)
        return response
