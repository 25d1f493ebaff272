"""The pinned requirements, and the environment that serves."""

import importlib.util
import re

import pytest

from tests.serving import ROOT

FILES = ("serve", "tracing", "load", "dev", "train", "clients")


def pins(name):
    """The requirements of a file, each with its marker: {("numpy", "python_full_version < '3.12'"): "2.4.6", ...}."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    found = re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)(?: ; (.*?))?\s+--hash=sha256:[0-9a-f]{64}", text, re.M)
    assert len(found) == len(re.findall(r"^[a-z]", text, re.M)), "a requirement without version or hash"
    return {(package, marker.strip()): version for package, version, marker in found}


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_exact_and_hashed(name):
    assert len(pins(name)) > 15


@pytest.mark.parametrize("name", FILES)
def test_no_address_is_recorded(name):
    assert "://" not in (ROOT / "requirements" / f"{name}.txt").read_text()


def versions(name):
    return {(package, version) for (package, _), version in pins(name).items()}


def test_dev_holds_what_serves_and_what_loads_it():
    """By version: what else needs a package may widen its marker to Pythons that are not this project's."""
    assert pins("serve").items() <= pins("tracing").items()
    assert versions("tracing") | versions("load") <= versions("dev")


def test_training_measures_with_the_versions_that_serve():
    """All shared packages but gunicorn, which training does not run and MLflow holds back."""
    serve, train = pins("serve"), pins("train")
    shared = {key for key in serve.keys() & train.keys() if key[0] != "gunicorn"}
    assert {key: serve[key] for key in shared} == {key: train[key] for key in shared}
    assert {"ai-edge-litert", "numpy"} <= {package for package, _ in shared}


@pytest.mark.parametrize("package", ["tensorflow", "keras", "mlflow", "sklearn", "pandas"])
def test_serving_environment_holds_no_training_package(package):
    assert importlib.util.find_spec(package) is None


def test_gunicorn_is_the_version_that_the_worker_was_written_for():
    assert '"gunicorn[gevent]==27.0.1"' in (ROOT / "pyproject.toml").read_text()
    assert pins("serve")["gunicorn", ""] == "27.0.1"
