"""The images of POST /predict, in whatever Content-Type they come: JSON, a picture, a form of files, bytes.

Knows Flask's request. Imports app.body, app.config, app.files, app.image, app.payload and app.picture only.
"""

import io
from typing import NamedTuple

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from app import body, payload, picture
from app.config import Settings
from app.files import Files, from_pixels
from app.image import PIXELS

FORM = "multipart/form-data"
BYTES = "application/octet-stream"
_SEND_FORM = "Send files only, one a part, as `curl -F image=@digit.png` does."


class Given(NamedTuple):
    """The images of a request, at least one, and whether the answer is to be a list."""

    images: list[payload.Image]
    several: bool


def read(request: Request, settings: Settings, *, raw: bool) -> Given:
    """Read the images of a request. Raises what app.body, app.payload and app.picture raise."""
    mimetype = request.mimetype
    if not mimetype or body.is_json(mimetype):
        data = body.read(request, settings.max_body_bytes)
        return _json(payload.parse_predict_request(data), settings.max_batch, Files(raw=raw))
    if not mimetype.startswith("image/") and mimetype not in {FORM, BYTES}:
        raise body.UnsupportedMediaType(
            f"the Content-Type is {mimetype[:100]!r}. Send JSON with `Content-Type: application/json`, a picture with"
            f" its own, such as image/png, files as {FORM}, or {PIXELS} bytes as {BYTES}."
        )
    data = body.read(request, settings.max_body_bytes)
    if mimetype == BYTES:
        images = from_pixels(data)
        _check_batch(len(images), settings.max_batch)
        return Given(images, several=len(images) > 1)
    if mimetype == FORM:
        return _form(request, data, settings.max_batch, Files(raw=raw))
    if picture.format_of(data) is None:
        raise body.UnsupportedMediaType(
            f"the body is no picture that can be read here, though its Content-Type is {mimetype[:100]!r}."
            f" {picture.SEND}"
        )
    return Given([Files(raw=raw).picture(data, "body")], several=False)


def _json(parsed: payload.PredictRequest, limit: int, files: Files) -> Given:
    if parsed.images is not payload.ABSENT:
        return Given(payload.parse_images(parsed.images, limit, files.text), several=True)
    return Given([payload.parse_image(parsed.image, "image", files.text)], several=False)


def _form(request: Request, data: bytes, limit: int, files: Files) -> Given:
    """Read a form's files, from memory: werkzeug would write large ones to a disk that cannot be written."""
    parser = FormDataParser(
        stream_factory=lambda *_, **__: io.BytesIO(),
        max_form_parts=limit,
        silent=False,
    )
    try:
        _, fields, found = parser.parse(io.BytesIO(data), FORM, len(data), request.mimetype_params)
    except RequestEntityTooLarge as error:
        raise payload.BatchTooLarge(
            f"the form has more than {limit} parts; at most as many are taken. Send several requests."
        ) from error
    except ValueError as error:
        raise payload.InvalidRequest(f"the form cannot be read: {error}. {_SEND_FORM}") from error
    if fields:
        raise payload.InvalidRequest(f"the form's field {next(iter(fields))[:100]!r} is no file. {_SEND_FORM}")
    if not found:
        raise payload.InvalidRequest(f"the form holds no file. {_SEND_FORM}")
    images = [files.file(part.read(), name[:100]) for name, part in found.items(multi=True)]
    return Given(images, several=len(images) > 1)


def _check_batch(count: int, limit: int) -> None:
    if count > limit:
        raise payload.BatchTooLarge(f"the body holds {count} images; at most {limit} are taken. Send several requests.")
