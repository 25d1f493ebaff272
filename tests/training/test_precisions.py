"""The comparison of precisions, the rule that chooses one, and the table that people read."""

import keras
import numpy as np
import pytest

from training import data, export, precisions
from training.precisions import Export, choose, compare, table


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def row(precision, **other):
    usual = {"accuracy": 0.995, "ece": 0.002, "differ": 0, "size_bytes": 1000, "latency_s": 100e-6}
    return Export(precision, **usual | other)


class Ticks:
    """A clock by which the calls of models in turns take as long as it is told."""

    def __init__(self, *durations_s):
        self.durations_s, self.now_s, self.reads = durations_s, 0.0, 0

    def __call__(self):
        call, ends = divmod(self.reads, 2)
        if ends:
            turn, place = divmod(call, len(self.durations_s))
            self.now_s += self.durations_s[(turn + place) % len(self.durations_s)]
        self.reads += 1
        return self.now_s


def says(digit):
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, activation="softmax")])
    model.layers[0].set_weights([np.zeros((784, 10)), 5 * np.eye(10)[digit]])
    return export.to_litert(model)


def test_models_are_measured_on_the_same_images(digits):
    models = {"float32": says(3), "int8": says(4)}
    float32, int8 = compare(models, digits.validation, Ticks(4e-4, 1e-4))
    assert (float32.precision, int8.precision) == ("float32", "int8")
    assert (float32.differ, int8.differ) == (0, 200)
    assert (float32.latency_s, int8.latency_s) == pytest.approx((4e-4, 1e-4))
    for digit, measured in ((3, float32), (4, int8)):
        share = (digits.validation.labels == digit).mean()
        assert measured.accuracy == share
        assert measured.ece == pytest.approx(np.exp(5) / (np.exp(5) + 9) - share, abs=1e-6)
        assert measured.size_bytes == len(models[measured.precision])


@pytest.mark.parametrize(
    ("float16", "int8", "chosen"),
    [
        ({}, {"latency_s": 50e-6}, "int8"),
        ({"size_bytes": 500}, {"latency_s": 200e-6, "size_bytes": 250}, "float16"),
        ({"size_bytes": 500}, {"latency_s": 95e-6, "size_bytes": 800}, "float16"),  # equally fast, so the smallest
        ({"size_bytes": 500}, {"latency_s": 85e-6, "size_bytes": 800}, "int8"),
        ({}, {"latency_s": 50e-6, "accuracy": 0.9945, "ece": 0.0049}, "int8"),
        ({"size_bytes": 2000}, {"latency_s": 50e-6, "accuracy": 0.9944}, "float32"),
        ({"size_bytes": 2000}, {"latency_s": 50e-6, "ece": 0.0051}, "float32"),
        ({"size_bytes": 500, "accuracy": 0.99}, {"latency_s": 50e-6, "ece": 0.0051}, "float32"),
    ],
)
def test_the_fastest_that_is_as_good_is_chosen(float16, int8, chosen):
    rows = [row("float32"), row("float16", **float16), row("int8", **int8)]
    assert choose(rows).precision == choose(reversed(rows)).precision == chosen


def test_calibration_beyond_the_limit_need_only_be_as_good_as_float32s():
    for ece, chosen in ((0.3, "int8"), (0.31, "float32")):
        assert choose([row("float32", ece=0.3), row("int8", ece=ece, latency_s=1e-6)]).precision == chosen


def test_table_names_the_chosen_one():
    rows = [row("float32"), row("int8", accuracy=0.9948, differ=3, size_bytes=1234567, latency_s=20.4e-6)]
    assert table(rows, rows[1]).splitlines()[2:] == [
        "| float32 | 99.50% | 0.20% | 0 | 1,000 | 100 µs |",
        "| **int8** | 99.48% | 0.20% | 3 | 1,234,567 | 20 µs |",
    ]


def test_command_prints_the_table_of_a_model_of_28x28(tmp_path, capsys):
    layers = [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    keras.Sequential(layers).save(tmp_path / "model.keras")
    assert precisions.main([str(tmp_path / "model.keras"), "--dataset", "digits"]) == 0
    title, _, _, _, *rows = capsys.readouterr().out.splitlines()
    assert title == f"{tmp_path}/model.keras on 200 validation images of digits"
    assert [line.split("|")[1].strip(" *") for line in rows] == ["float32", "float16", "int8"]
    assert sum("**" in line for line in rows) == 1


def test_file_that_is_no_model_is_one_line(tmp_path, capsys):
    path = tmp_path / "model.keras"
    path.write_text("no model")
    assert precisions.main([str(path), "--dataset", "digits"]) == 1
    assert capsys.readouterr().err.startswith(f"error: {path} is no Keras model")
