"""The configuration and the command line made of it."""

from dataclasses import asdict, fields

import pytest

from tests.training.conftest import train
from training.config import ConfigError, TrainConfig
from training.export import TOLERANCES


def test_defaults_are_the_originals():
    config = asdict(TrainConfig())
    assert config["arch"] == "mlp"
    assert (config["epochs"], config["batch_size"], config["hidden_units"], config["dropout_rate"]) == (
        5,
        128,
        512,
        0.2,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("arch", "rnn"), ("dataset", "cifar"), ("epochs", 0), ("batch_size", -1), ("dropout_rate", 1.5), ("seed", -1)],
)
def test_impossible_value_is_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=name):
        TrainConfig(**{name: value})


def test_every_problem_is_named():
    with pytest.raises(ConfigError, match=r"epochs.*; dropout_rate"):
        TrainConfig(epochs=0, dropout_rate=2.0)


def test_help_lists_every_option_with_its_default(tmp_path):
    text = " ".join(train(tmp_path, "--help").stdout.split())
    for item in fields(TrainConfig):
        assert f"--{item.name.replace('_', '-')} " in text
        assert item.metadata["help"] in text
        assert f"(default: {item.default})" in text
    for option in ("--data-dir", "--extra-data", "--out", "--from-keras"):
        assert option in text
    assert text.count("(default: ") == len(fields(TrainConfig)) + 4


@pytest.mark.parametrize(
    ("arguments", "status", "fragment"),
    [
        (["--epochs", "0"], 1, "error: epochs is 0, but must be in 1..inf"),
        (["--epochs", "many"], 2, "invalid int value"),
        (["--arch", "rnn"], 2, "invalid choice"),
        (["--colour", "red"], 2, "unrecognized arguments"),
    ],
)
def test_wrong_option_fails_in_one_line(tmp_path, arguments, status, fragment):
    ended = train(tmp_path, *arguments)
    assert ended.returncode == status
    assert fragment in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.iterdir())


def test_every_precision_can_be_asked_for():
    (option,) = (item for item in fields(TrainConfig) if item.name == "export")
    assert {*option.metadata["choices"]} == {*TOLERANCES, "auto"}
