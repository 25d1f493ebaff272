"""Measuring for the Gate: real classifiers on real images, each fault seen by the rule meant for it."""

import gzip
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from app import bundle
from app.model import Classifier
from tests.serving import CHAMPION, ROOT
from training.data import Split
from training.gate import GateError, Policy, decide
from training.measure import ROUNDS, evidence, in_turns

# A hundred images show no more: that one worse by 0.05 would read all right as the champion does has probability 0.006.
POLICY = Policy(margin=0.05, corrupted_margin=0.05, min_accuracy=0.9, min_class_recall=0.7, max_ece=0.05)


def mnist100():
    images, labels = (
        gzip.decompress((ROOT / "tests" / "fixtures" / f"mnist100-{name}-ubyte.gz").read_bytes())
        for name in ("images-idx3", "labels-idx1")
    )
    return Split(
        np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28),
        np.frombuffer(labels, np.uint8, offset=8).astype(np.int64),
    )


SPLIT = mnist100()
CORRUPTED = {"dim": SPLIT.images // 2, "cut": SPLIT.images * (np.arange(28) > 5).astype(np.uint8)}


class Clock:
    """A clock that stands still but for what is added to it."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


class Changed(Classifier):
    """The champion, with its answers changed on the way out, taking the time that it says."""

    def __init__(self, clock: Clock, change: Callable | None = None, takes_s: float = 50e-6):
        super().__init__(bundle.read(CHAMPION))
        self.clock, self.change, self.takes_s = clock, change, takes_s

    def predict(self, images):
        answers = super().predict(images)
        if not hasattr(self, "clock"):  # its golden answers are the champion's
            return answers
        self.clock.now_s += self.takes_s
        return self.change(answers, images) if self.change else answers


def worse(answers, images):
    """Wrong on about one image in eight, whatever its digit; corrupted or not."""
    odd = np.arange(len(images)) % 8 == 0
    return np.where(odd[:, None], np.roll(answers, 1, axis=1), answers)


def flat(answers, _):
    softer = answers**0.1
    return softer / softer.sum(axis=1, keepdims=True)


def blind(answers, _):
    """Never answers 4."""
    return np.where(np.arange(10) == 4, 0, answers)


def weak(answers, images):
    """Wrong on dim images."""
    dim = images.max(axis=(1, 2)) < 0.6
    return np.where(dim[:, None], np.roll(answers, 1, axis=1), answers)


def measured(change=None, takes_s=50e-6):
    clock = Clock()
    return evidence(Changed(clock, change, takes_s), Changed(clock), SPLIT, CORRUPTED, clock)


def test_champion_passes_against_itself():
    mine, champions = measured()
    decision = decide(mine, champions, POLICY)
    assert decision.passed, str(decision)
    assert mine.correct.mean() >= 0.97
    assert mine.size_bytes == (CHAMPION / "model.tflite").stat().st_size
    assert mine.latency_s == pytest.approx([50e-6] * ROUNDS)


@pytest.mark.parametrize(
    ("fault", "rule", "others"),
    [
        ({"change": worse}, "non-inferiority", {"accuracy", "class recall", "corrupted", "calibration"}),
        ({"change": blind}, "class recall", {"accuracy", "non-inferiority", "corrupted", "calibration"}),
        ({"change": flat}, "calibration", set()),
        ({"change": weak}, "corrupted", set()),
        ({"takes_s": 101e-6}, "latency", set()),
    ],
)
def test_a_fault_fails_by_the_rule_meant_for_it(fault, rule, others):
    failed = decide(*measured(**fault), POLICY).failed
    assert rule in failed
    assert {*failed} <= {rule} | others


def test_other_images_are_noticed():
    clock = Clock()
    champion = Changed(clock)
    here = measured()[0]
    relabelled = replace(SPLIT, labels=SPLIT.labels[::-1].copy())
    renamed = {"dimmer": CORRUPTED["dim"], "cut": CORRUPTED["cut"]}
    for split, corrupted in ((relabelled, CORRUPTED), (SPLIT, renamed), (SPLIT, CORRUPTED | {"cut": SPLIT.images})):
        there = evidence(champion, champion, split, corrupted, clock)[1]
        with pytest.raises(GateError, match="different images"):
            decide(here, there, POLICY)


def test_models_take_turns_on_the_same_single_images():
    clock, calls = Clock(), []

    def model(name, takes_s):
        def predict(images):
            calls.append((name, images.copy()))
            clock.now_s += takes_s
            return images

        return predict

    images = np.arange(3 * 784, dtype=np.float32).reshape(3, 28, 28)
    first, second = in_turns((model("a", 2.0), model("b", 3.0)), images, clock)
    assert first == (2.0,) * ROUNDS
    assert second == (3.0,) * ROUNDS
    assert "".join(name for name, _ in calls) == "abbaab" * ROUNDS
    assert all(np.array_equal(image, images[turn // 2 % 3][None]) for turn, (_, image) in enumerate(calls))
