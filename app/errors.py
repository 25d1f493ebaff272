"""One table from exception to status and code, and the one shape in which every error leaves.

Status codes are the truth: nothing that failed is answered with 200.
"""

import logging

import msgspec
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from app import api, body, image

_STATUS: dict[type[Exception], tuple[int, str]] = {
    api.InvalidJson: (400, "invalid_json"),
    api.InvalidRequest: (400, "invalid_request"),
    image.InvalidImage: (400, "invalid_image"),
    body.BrokenBody: (400, "broken_body"),
    body.BodyTooLarge: (413, "body_too_large"),
    api.BatchTooLarge: (413, "batch_too_large"),
    body.UnsupportedMediaType: (415, "unsupported_media_type"),
}

log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Make an application answer every error in the one shape."""
    for exception in _STATUS:
        app.register_error_handler(exception, _expected)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _expected(error: Exception) -> Response:
    status, code = _STATUS[type(error)]
    return _answer(status, code, str(error))


def _http(error: HTTPException) -> Response:
    """Answer what Flask itself refuses: unknown paths, wrong methods. Keeps its headers, such as Allow."""
    status = error.code or 500
    message = error.description or error.name
    if status == 404:
        message = "there is no such path. GET / lists the paths that there are."
    elif status == 405:
        message = f"this path does not take {request.method[:20]}; see the Allow header for what it takes."
    response = _answer(status, error.name.lower().replace(" ", "_"), message)
    for name, value in error.get_headers():
        if name != "Content-Type":
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    """Log what we did not expect, and tell the caller no more than how to report it."""
    log.error("unexpected error", exc_info=error, extra={"request_id": g.request_id})
    return _answer(500, "internal_error", "something went wrong here, not with your request. Report the request_id.")


def _answer(status: int, code: str, message: str) -> Response:
    value = {"error": {"code": code, "message": message, "request_id": g.request_id}}
    return Response(msgspec.json.encode(value), status, mimetype=api.JSON)
