"""One table from exception to status and code, and the one shape in which every error leaves.

Status codes are the truth: nothing that failed is answered with 200. The inference protocols have a shape of their own.
"""

import logging
from http import HTTPStatus

import msgspec
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from app import body, feedback, image, payload, picture, query, served_model
from app.answers import JSON

STATUS: dict[type[Exception], tuple[int, str]] = {
    payload.InvalidJson: (400, "invalid_json"),
    payload.InvalidRequest: (400, "invalid_request"),
    query.InvalidQuery: (400, "invalid_query"),
    image.InvalidImage: (400, "invalid_image"),
    body.BrokenBody: (400, "broken_body"),
    body.BodyTooLate: (408, "request_timeout"),
    body.NoRoom: (503, "overloaded"),
    body.BodyTooLarge: (413, "body_too_large"),
    picture.PictureTooLarge: (413, "picture_too_large"),
    payload.BatchTooLarge: (413, "batch_too_large"),
    body.UnsupportedMediaType: (415, "unsupported_media_type"),
    feedback.UnknownRequest: (404, "unknown_request"),
    served_model.UnknownModel: (404, "unknown_model"),
    feedback.AlreadyConfirmed: (409, "already_confirmed"),
}
# What app.worker answers in the application's place, to any request.
REFUSED = (
    *((400, "malformed"), (414, "malformed"), (417, "malformed"), (431, "malformed")),
    *((408, "request_timeout"), (503, "overloaded")),
)
RETRY_AFTER_S = 1
UNEXPECTED = "something went wrong here, not with your request. Report the request_id."
# The code of every error that this service answers: of the table, of Flask's own, of app.worker's.
CODES = (
    *(code for _, code in STATUS.values()),
    *("not_found", "method_not_allowed", "internal_error"),
    "malformed",
)

log = logging.getLogger(__name__)


class Error(msgspec.Struct):
    """What was wrong: a code for programs, a sentence for people, and the id under which the log has the request."""

    code: str
    message: str
    request_id: str


class Failure(msgspec.Struct):
    """The answer to every request that failed."""

    error: Error


class ProtocolFailure(msgspec.Struct):
    """The same, as the inference protocols tell it."""

    error: str


def register(app: Flask) -> None:
    """Make an application answer every error in the one shape."""
    for exception in STATUS:
        app.register_error_handler(exception, _expected)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def answered(kind: type[Exception]) -> tuple[int, str]:
    """The status and the code with which an exception of this kind is answered."""
    if issubclass(kind, HTTPException):
        return kind.code or 500, HTTPStatus(kind.code or 500).phrase.lower().replace(" ", "_")
    return STATUS[kind]


def _expected(error: Exception) -> Response:
    return _answer(*answered(type(error)), str(error))


def _http(error: HTTPException) -> Response:
    """Answer what Flask itself refuses: unknown paths, wrong methods. Keeps its headers, such as Allow."""
    status, code = answered(type(error))
    message = error.description or error.name
    if status == 404:
        message = "there is no such path. GET / lists the paths that there are."
    elif status == 405:
        message = f"this path does not take {request.method[:20]}; see the Allow header for what it takes."
    response = _answer(status, code, message)
    for name, value in error.get_headers():
        if name != "Content-Type":
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    """Log what we did not expect, and tell the caller no more than how to report it."""
    log.error("unexpected error", exc_info=error, extra={"request_id": g.request_id})
    return _answer(500, "internal_error", UNEXPECTED)


def is_protocols(path: str) -> bool:
    """Whether a path belongs to one of the inference protocols."""
    return f"{path}/".startswith(("/v1/", "/v2/"))


def content(code: str, message: str, request_id: str, *, protocols: bool = False) -> bytes:
    """The shape in which an error is told, as JSON: the one of all, or the inference protocols'."""
    if protocols:
        return msgspec.json.encode(ProtocolFailure(message))
    return msgspec.json.encode(Failure(Error(code, message, request_id)))


def _answer(status: int, code: str, message: str) -> Response:
    g.error = code
    told = content(code, message, g.request_id, protocols=is_protocols(request.path))
    response = Response(told, status, mimetype=JSON)
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response
