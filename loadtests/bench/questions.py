"""What every peer is asked, and whether it answered rightly: the champion's golden images, in each one's own words.

Standard library only.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from loadtests.payloads import GOLDEN
from loadtests.service import ROOT

MODEL = ROOT / "deploy" / "model" / "model.tflite"
# Of each probability. The champion's own is 0.01; a Keras network with its weights rounds differently.
TOLERANCE = 0.02

Ask = Callable[[list[float]], Any]
Read = Callable[[Any], list[float]]


class Question:
    """A body to send, and the check of what comes back.

    An answer that was right once is right again: only new ones are parsed, so that the check costs next to nothing.
    """

    def __init__(self, body: bytes, expected: list[list[float]], read: Callable[[Any], list[list[float]]]) -> None:
        self.body = body
        self._expected = expected
        self._read = read
        self._right: bytes | None = None

    def failure(self, answer: bytes) -> str:
        """What is wrong with the body of an answer; empty if nothing is."""
        if answer == self._right:
            return ""
        try:
            found = self._read(json.loads(answer))
            wrong = [_failure(one, wanted) for one, wanted in zip(found, self._expected, strict=True)]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            return f"an answer that cannot be read, {answer[:80]!r}: {error}"
        if not any(wrong):
            self._right = answer
        return next(filter(None, wrong), "")


class Constant:
    """A body to send, and the one answer that a floor gives to all."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._constant = constant()

    def failure(self, answer: bytes) -> str:
        """What is wrong with the body of an answer; empty if nothing is."""
        return "" if answer == self._constant else "another answer than the constant"


def probabilities(answer: dict[str, Any]) -> list[float]:
    """The probabilities of an answer that says the digit, too. Raises ValueError if they say another."""
    found = answer["probabilities"]
    if answer["prediction"] != found.index(max(found)):
        raise ValueError("its digit is not the most probable one")
    return found


def singles(ask: Ask, read: Read) -> list[Question]:
    """Each golden image, alone."""
    return [
        Question(_encode(ask(case["image"])), [case["probabilities"]], lambda answer: [read(answer)])
        for case in _cases()
    ]


def batch(length: int) -> list[Question]:
    """The golden images in turns as one request to the service."""
    return _batch(length, lambda images: _encode({"images": images}))


def batch_of_bytes(length: int) -> list[Question]:
    """The same images as a request of bytes, one a pixel."""
    return _batch(length, lambda images: bytes(round(255 * pixel) for image in images for pixel in image))


def _batch(length: int, encode: Callable[[list[list[float]]], bytes]) -> list[Question]:
    cases = (_cases() * length)[:length]
    body, expected = encode([case["image"] for case in cases]), [case["probabilities"] for case in cases]
    return [Question(body, expected, lambda answer: [probabilities(one) for one in answer["predictions"]])]


def constants() -> list[Constant]:
    """The same bodies as the service's, for a floor."""
    return [Constant(_encode({"image": case["image"]})) for case in _cases()]


@cache
def constant() -> bytes:
    """The answer that the service gives to the first golden image, as a floor gives it to all."""
    golden = _cases()[0]["probabilities"]
    confidence = max(golden)
    return _encode(
        {
            "prediction": golden.index(confidence),
            "confidence": confidence,
            "probabilities": golden,
        }
    )


def _failure(found: list[float], wanted: list[float]) -> str:
    digit, right = (one.index(max(one)) for one in (found, wanted))
    if digit != right:
        return f"the digit {digit} for an image of {right}"
    worst = max(abs(one - other) for one, other in zip(found, wanted, strict=True))
    return f"a probability that is off by {worst:.3g}" if worst > TOLERANCE else ""


@cache
def _cases() -> list[dict[str, Any]]:
    return json.loads(GOLDEN.read_text())["cases"]


def _encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
