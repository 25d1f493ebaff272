"""Settings: from text to types, with every problem named."""

import pytest

from app.config import Settings, SettingsError


def test_nothing_set_gives_the_defaults():
    assert Settings.from_env({}) == Settings()


def test_values_are_typed():
    settings = Settings.from_env({"MNIST_PORT": "8080", "MNIST_MODEL_DIR": "/models/a", "MNIST_LOG_SAMPLE": "0.25"})
    assert (settings.port, settings.model_dir.name, settings.log_sample) == (8080, "a", 0.25)


@pytest.mark.parametrize(
    ("name", "value", "fragment"),
    [
        ("MNIST_PORT", "0", "in 1..65535"),
        ("MNIST_PORT", "65536", "in 1..65535"),
        ("MNIST_PORT", "5e3", "whole number"),
        ("MNIST_PORT", "-5", "whole number"),
        ("MNIST_PORT", " 5", "whole number"),
        ("MNIST_PORT", "\u0665", "whole number"),
        ("MNIST_MAX_BATCH", "9" * 5000, "of at least 1"),
        ("MNIST_LOG_SAMPLE", "1.1", "a number in 0..1"),
        ("MNIST_LOG_SAMPLE", "-0.1", "a number in 0..1"),
        ("MNIST_LOG_SAMPLE", "nan", "a number in 0..1"),
        ("MNIST_LOG_SAMPLE", "1e-2", "a number in 0..1"),
        ("MNIST_WORKERS", "", "must not be empty"),
        ("MNIST_HOST", " ", "must not be empty"),
        ("MNIST_MODEL_DIR", "", "must not be empty"),
        ("MNIST_LOG_LEVEL", "INFO", "one of debug, info, warning, error"),
        ("MNIST_MODEL_NAME", "a/b", "must match [A-Za-z0-9._-]{1,64}"),
        ("MNIST_MODEL_NAME", "x" * 65, "must match"),
        ("MNIST_PORT", "tcp://10.0.0.1:5000", "enableServiceLinks: false"),
        ("MNIST_WORKER", "2", "no such setting; there are MNIST_HOST"),
        ("MNIST_", "2", "no such setting"),
    ],
)
def test_wrong_setting_is_refused_by_name(name, value, fragment):
    with pytest.raises(SettingsError) as error:
        Settings.from_env({name: value})
    assert name in str(error.value)
    assert fragment in str(error.value)


def test_every_problem_is_in_the_message():
    with pytest.raises(SettingsError) as error:
        Settings.from_env({"MNIST_PORT": "x", "MNIST_WORKERS": "0", "MNIST_NONE": "1", "HOME": "/"})
    assert str(error.value).count("\n") == 3


@pytest.mark.parametrize(
    "name",
    [
        "MNIST_DATA_DIR",
        "MNIST_API_SERVICE_HOST",
        "MNIST_API_SERVICE_PORT_HTTP",
        "MNIST_API_PORT_5000_TCP_ADDR",
        "MNISTX",
    ],
)
def test_names_that_are_not_the_services_are_left_alone(name):
    assert Settings.from_env({name: "tcp://10.0.0.1:5000"}) == Settings()
