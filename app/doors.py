"""What each route takes and answers, for the description: shapes, Content-Types, parameters, errors, examples.

Shapes are the types that the service reads and answers with; only what no type says is said here. A route without a
line here, or in app.protocol_doors, fails a test.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
from werkzeug.exceptions import NotFound

from app import body, content, feedback, image, pages, payload, picture, query
from app.answers import JSON, PNG, Confirmation, Example, Health, Index, Live, Predictions, Ready
from app.bundle import Bundle, Manifest
from app.config import Settings
from app.predictor import Prediction

_QUERY = {
    "raw": "Take pictures as they come, white ink on black: make them only grey, and 28x28.",
    "top_k": "Add so many of the most probable digits, in order.",
    "explain": "Add what the model saw, as the data: URL of a PNG. With Accept: image/png, answer that PNG itself.",
}


class Content(NamedTuple):
    """What a body holds: a type, None for bytes that are no JSON; and the names of its examples."""

    shape: Any
    examples: tuple[str, ...] = ()
    content_type: str = JSON


class Parameter(NamedTuple):
    """What stands beside the body: in the path, in the query, or as a header."""

    name: str
    place: str
    shape: Any
    text: str


class Door(NamedTuple):
    """One route as its callers see it. `answers` are by status; `raises` are those of the table of errors."""

    tag: str
    answers: Mapping[int, tuple[Content, ...]]
    takes: tuple[Content, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    raises: tuple[type[Exception], ...] = ()
    links: Mapping[str, Any] | None = None
    protocols: bool = False  # errors have the inference protocols' shape


BODY = (body.BrokenBody, body.BodyTooLarge, body.BodyTooLate, body.NoRoom, body.UnsupportedMediaType)
JSON_BODY = (*BODY, payload.InvalidJson, payload.InvalidRequest)
IMAGES = (image.InvalidImage, payload.BatchTooLarge)


def doors(settings: Settings) -> dict[str, Door]:
    """The public API's routes, by method and rule."""
    return {
        "POST /predict": Door(
            "predict",
            {200: (Content(Prediction, ("prediction",)), Content(Predictions), Content(None, content_type=PNG))},
            takes=(
                Content(_predict_request(settings.max_batch), ("picture", "numbers")),
                *(Content(None, content_type=one) for one in picture.TYPES),
                Content(_form(settings.max_batch), content_type=content.FORM),
                Content(None, content_type=content.BYTES),
            ),
            parameters=tuple(_parameter(name, values) for name, values in query.PREDICT.items()),
            raises=(*JSON_BODY, *IMAGES, picture.PictureTooLarge, query.InvalidQuery),
            links={"feedback": _FEEDBACK_LINK},
        ),
        "POST /feedback": Door(
            "predict",
            {200: (Content(Confirmation, ("confirmation",)),)},
            takes=(Content(payload.FeedbackRequest, ("feedback",)),),
            raises=(*JSON_BODY, feedback.UnknownRequest, feedback.AlreadyConfirmed),
        ),
        "GET /example": Door(
            "predict",
            {200: (Content(Example, ("numbers",)),)},
            parameters=(Parameter("digit", "query", payload.Digit, "Which digit the image shows."),),
            raises=(query.InvalidQuery,),
        ),
        "GET /health": says("service", Health, 503),
        "GET /health/live": says("service", Live),
        "GET /health/ready": says("service", Ready, 503),
        "GET /model": says("service", Manifest),
        "GET /openapi.json": says("service", dict[str, Any]),
        "GET /": Door("page", {200: (Content(Index), Content(None, content_type=pages.HTML)), 304: ()}),
        "GET /ui/<name>": Door(
            "page",
            {200: tuple(Content(None, content_type=one) for one in sorted(set(pages.parts().values()))), 304: ()},
            parameters=(Parameter("name", "path", one_of(pages.parts()), "A file that a page loads."),),
            raises=(NotFound,),
        ),
        "GET /docs": Door("page", {200: (Content(None, content_type=pages.HTML),), 304: ()}),
    }


def examples(bundle: Bundle) -> dict[str, Any]:
    """The values that the doors name, made of the Bundle's golden cases."""
    case = bundle.golden.cases[0]
    pixels = np.array(case.image, np.float32).reshape(image.SIDE, image.SIDE)
    return {
        "picture": {"image": b64encode(picture.png(pixels)).decode()},
        "numbers": Example(case.image),
        "prediction": Prediction(case.label, max(case.probabilities), case.probabilities),
        "feedback": payload.FeedbackRequest("order-17", case.label),
        "confirmation": Confirmation("order-17", case.label, case.label, right=True),
    }


def says(tag: str, shape: Any, *also: int) -> Door:
    """A route that takes nothing, and answers one shape with 200 and with these statuses."""
    return Door(tag, {status: (Content(shape),) for status in (200, *also)})


def one_of(values: Iterable[str | int]) -> Any:
    """The type of what is one of these."""
    return Literal[tuple(values)]


def several(kind: Any, most: int) -> Any:
    """The type of a list of one to so many."""
    return Annotated[list[kind], msgspec.Meta(min_length=1, max_length=most)]


def stands_for(name: str, schema: dict[str, Any]) -> type:
    """A type for what no type says: this schema, under this name."""
    return type(name, (), {"schema": schema})


def with_types(struct: type[msgspec.Struct], **types: Any) -> type[msgspec.Struct]:
    """The struct, with the types of what it leaves to be read by others."""
    kinds = [(field, types.get(field.name, field.type)) for field in msgspec.structs.fields(struct)]
    return msgspec.defstruct(
        struct.__name__,
        [(field.name, kind) if field.required else (field.name, kind, msgspec.UNSET) for field, kind in kinds],
        namespace={"__doc__": struct.__doc__},
        forbid_unknown_fields=struct.__struct_config__.forbid_unknown_fields,
    )


def _predict_request(max_batch: int) -> Any:
    forms = [*(msgspec.json.schema(shape) for shape in (payload.Flat, payload.Rows)), _BASE64]
    one = stands_for("Image", {"description": "Numbers: 0 is background, 1 is ink. Or a picture.", "anyOf": forms})
    request = with_types(payload.PredictRequest, image=one, images=several(one, max_batch))
    return Annotated[request, msgspec.Meta(extra_json_schema={"minProperties": 1, "maxProperties": 1})]


def _form(max_batch: int) -> type[msgspec.Struct]:
    """A form of files. Their names are not looked at; one is enough to describe."""
    file: Any = stands_for("File", {"type": "string", "format": "binary"})
    return msgspec.defstruct("Form", [("image", several(file, max_batch))], forbid_unknown_fields=True)


def _parameter(name: str, values: Iterable[str]) -> Parameter:
    return Parameter(name, "query", one_of(int(one) if one.isdecimal() else one for one in values), _QUERY[name])


_BASE64 = {
    "type": "string",
    "format": "byte",
    "contentEncoding": "base64",
    "description": "A picture's file, or 784 bytes in 0..255. A data: URL is taken too.",
}
_FEEDBACK_LINK = {
    "operationId": "feedback",
    "description": "The answer's X-Request-Id is the `request_id` of its feedback.",
    "requestBody": {"request_id": "$response.header.X-Request-Id", "label": "$response.body#/prediction"},
}
