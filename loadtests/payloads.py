"""What is sent: the champion's golden cases, ten real test images, one of each digit. Standard library only.

Their digits are known not only from MNIST: a service that reads one of them otherwise does not start. So a wrong digit
is the service's fault, and never an image that this champion, or the next, happens to misread. They come with every
Bundle, so that they are in the load image too.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "deploy" / "model" / "golden.json"


@dataclass(frozen=True)
class Payload:
    """A body for POST /predict, and the digits that are in it."""

    body: bytes
    digits: tuple[int, ...]

    def failure(self, answer: bytes) -> str:
        """What is wrong with the body of an answer; empty if nothing is."""
        try:
            found = json.loads(answer)
            digits = tuple(one["prediction"] for one in found.get("predictions", [found]))
        except (ValueError, KeyError, TypeError, AttributeError):
            return "an answer without a prediction"
        return "" if digits == self.digits else "wrong digit"


@cache
def singles() -> list[Payload]:
    """One image a request."""
    return [Payload(_encode({"image": image}), (digit,)) for image, digit in _cases()]


@cache
def batches() -> list[Payload]:
    """All ten images a request, from each of them on."""
    cases = _cases()
    turned = [cases[start:] + cases[:start] for start in range(len(cases))]
    return [
        Payload(_encode({"images": [image for image, _ in some]}), tuple(digit for _, digit in some)) for some in turned
    ]


def _cases() -> list[tuple[list[float], int]]:
    cases = json.loads(GOLDEN.read_text())["cases"]
    return [(case["image"], int(case["label"])) for case in cases]


def _encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
