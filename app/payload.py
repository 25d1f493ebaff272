"""What callers send as JSON: its shapes, and the parsers that say what is wrong with what has another.

Knows nothing of HTTP.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, NamedTuple

import msgspec

from app import image

SEND = (
    'Send {"image": [784 numbers in 0..1]}, or {"images": [[784 numbers], ...]} for several. In place of numbers, a'
    " picture's file can stand as base64."
)
SEND_FEEDBACK = 'Send {"request_id": "the X-Request-Id of a prediction", "label": the right digit, 0 to 9}.'


class InvalidJson(Exception):
    """The body is not JSON."""


class InvalidRequest(Exception):
    """The body is JSON of another shape than this path takes."""


class BatchTooLarge(Exception):
    """More images in one request than the service takes."""


# What an image is. What is none is read again as lists of numbers of any length: app.image says better what is wrong.
Pixel = Annotated[float, msgspec.Meta(ge=0, le=1)]
Row = Annotated[list[Pixel], msgspec.Meta(min_length=image.SIDE, max_length=image.SIDE)]
Rows = Annotated[list[Row], msgspec.Meta(min_length=image.SIDE, max_length=image.SIDE)]
Flat = Annotated[list[Pixel], msgspec.Meta(min_length=image.PIXELS, max_length=image.PIXELS)]
Digit = Annotated[int, msgspec.Meta(ge=0, le=9)]
_Label = Annotated[float, msgspec.Meta(ge=0, le=9, multiple_of=1)]  # to JSON, 7.0 is a whole number like any other

ABSENT = msgspec.Raw()


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /predict: one of the two. An image is 784 numbers in 0..1, 28 rows of 28, or base64."""

    image: msgspec.Raw = ABSENT
    images: msgspec.Raw = ABSENT


class FeedbackRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /feedback: which request, and the digit that its image shows."""

    request_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    label: _Label


class Image(NamedTuple):
    """One image, float32 [28, 28] in 0..1, and the form in which it came: one of app.metrics.KINDS."""

    pixels: image.Images
    kind: str


# Makes an image of the text that stands in place of its numbers; the second argument is what the caller calls it.
FromText = Callable[[str, str], Image]


def parse_predict_request(data: bytes) -> PredictRequest:
    """Parse the body of POST /predict. Raises InvalidJson and InvalidRequest."""
    parsed: PredictRequest = decode(_PREDICT_REQUEST, data, "")
    if (parsed.image is ABSENT) == (parsed.images is ABSENT):
        found = "neither `image` nor `images`" if parsed.image is ABSENT else "both `image` and `images`"
        raise InvalidRequest(f"the body has {found}. {SEND}")
    return parsed


def parse_flat_request(data: bytes) -> Image:
    """Parse the body of POST /predict if it is one image of 784 numbers; any other raises msgspec.DecodeError."""
    parsed: _FlatRequest = _FLAT_REQUEST.decode(data)
    return Image(image.from_checked(parsed.image), "flat")


def parse_feedback(data: bytes) -> FeedbackRequest:
    """Parse the body of POST /feedback. Raises InvalidJson and InvalidRequest."""
    parsed: FeedbackRequest = decode(_FEEDBACK_REQUEST, data, "", SEND_FEEDBACK)
    return parsed


def parse_images(raw: msgspec.Raw, limit: int, from_text: FromText) -> list[Image]:
    """Parse a list of 1..limit images. Raises what parse_image does, and BatchTooLarge."""
    images = decode(_RAW_LIST, raw, "images")
    if not images:
        raise InvalidRequest(f"`images` is empty. {SEND}")
    # First, because a single image sent as `images` is a list of 784, and the size of a batch is not its mistake.
    first = parse_image(images[0], "images[0]", from_text)
    if len(images) > limit:
        raise BatchTooLarge(f"`images` holds {len(images)} images; at most {limit} are taken. Send several requests.")
    return [first, *(parse_image(one, f"images[{index}]", from_text) for index, one in enumerate(images[1:], 1))]


def parse_image(raw: msgspec.Raw, name: str, from_text: FromText) -> Image:
    """Parse 784 numbers, 28 rows of 28, or text. Raises InvalidJson, InvalidRequest and InvalidImage."""
    with suppress(msgspec.DecodeError):  # what is below says why
        return Image(image.from_checked(_FLAT.decode(raw)), "flat")
    try:
        numbers = decode(_NUMBERS, raw, name)
    except InvalidRequest as error:
        if "expected `array`, got `str`" in str(error):
            return from_text(decode(_TEXT, raw, name), name)
        if "got `array`" not in str(error):
            raise
        return Image(image.from_rows(decode(_ROWS, raw, name), name), "rows")
    return Image(image.from_numbers(numbers, name), "flat")


class _FlatRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What most callers send, in the form that one pass over the bytes reads and checks."""

    image: Flat


def decode(decoder: msgspec.json.Decoder[Any], data: bytes | msgspec.Raw, name: str, send: str = SEND) -> Any:
    """Decode JSON that is called `name`, or the body. Raises InvalidJson and InvalidRequest, which end with `send`."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        where = f"`{name}{place.lstrip('.' if not name else '').rstrip('`')}`" if name or place else "the body"
        raise InvalidRequest(f"{where}: {what[0].lower()}{what[1:]}. {send}") from error
    except RecursionError as error:
        raise InvalidJson(f"the body is nested too deeply. {send}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if not bytes(data).strip():
            raise InvalidJson(f"the body is empty. {send}") from error
        raise InvalidJson(
            f"the body is not JSON that can be read: {error}. JSON has no NaN and no Infinity. {send}"
        ) from error


_PREDICT_REQUEST = msgspec.json.Decoder(PredictRequest)
_FLAT_REQUEST = msgspec.json.Decoder(_FlatRequest)
_FEEDBACK_REQUEST = msgspec.json.Decoder(FeedbackRequest)
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_FLAT = msgspec.json.Decoder(Flat)
_TEXT = msgspec.json.Decoder(str)
_NUMBERS = msgspec.json.Decoder(list[float])
_ROWS = msgspec.json.Decoder(list[list[float]])
