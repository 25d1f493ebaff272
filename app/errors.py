"""One table from exception to status and code, and the one shape in which every error leaves.

Status codes are the truth: nothing that failed is answered with 200.
"""

import logging

import msgspec
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from app import body, feedback, image, payload

_STATUS: dict[type[Exception], tuple[int, str]] = {
    payload.InvalidJson: (400, "invalid_json"),
    payload.InvalidRequest: (400, "invalid_request"),
    image.InvalidImage: (400, "invalid_image"),
    body.BrokenBody: (400, "broken_body"),
    body.BodyTooLarge: (413, "body_too_large"),
    payload.BatchTooLarge: (413, "batch_too_large"),
    body.UnsupportedMediaType: (415, "unsupported_media_type"),
    feedback.UnknownRequest: (404, "unknown_request"),
    feedback.AlreadyConfirmed: (409, "already_confirmed"),
}
UNEXPECTED = "something went wrong here, not with your request. Report the request_id."
# The code of every error that this service answers: of the table, of Flask's own, of app.worker's.
CODES = (
    *(code for _, code in _STATUS.values()),
    *("not_found", "method_not_allowed", "internal_error"),
    *("malformed", "overloaded"),
)

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
    return _answer(500, "internal_error", UNEXPECTED)


def content(code: str, message: str, request_id: str) -> bytes:
    """The one shape in which an error is told, as JSON."""
    return msgspec.json.encode({"error": {"code": code, "message": message, "request_id": request_id}})


def _answer(status: int, code: str, message: str) -> Response:
    g.error = code
    return Response(content(code, message, g.request_id), status, mimetype="application/json")
