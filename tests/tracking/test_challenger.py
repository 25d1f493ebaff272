"""A challenger, as the workflow trains it: on digits, after a champion of digits."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.serving import ROOT
from tests.training.conftest import FinishedRun, training_environment
from training.data import MIRRORS

TIMEOUT_S = 600  # several trainings


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return FinishedRun(tmp_path_factory.mktemp("champion"))


@pytest.fixture
def place(finished, tmp_path):
    """A folder with the champion in its place."""
    shutil.copytree(finished.out / "bundle", tmp_path / "deploy" / "model")
    return tmp_path


def challenge(place, **given):
    environment = training_environment(place, GITHUB_STEP_SUMMARY=str(place / "summary.md"), **given)
    command = [sys.executable, "-m", "deploy.github.challenger"]
    return subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )


def config_of(run):
    return json.loads((run / "config.json").read_text())


def test_best_of_the_seeds_meets_the_gate(place, finished):
    """Two seeds, trained as the champion was. Started again, nothing is trained or judged a second time."""
    ended = challenge(place, SEEDS="2", GITHUB_RUN_NUMBER="41")
    runs = sorted((place / "runs").iterdir())
    assert [run.name for run in runs] == ["challenger-820", "challenger-821"]
    assert [config_of(run) for run in runs] == [config_of(finished.out) | {"seed": seed} for seed in (820, 821)]
    accuracies = [json.loads((run / "report.json").read_text())["history"][-1]["val_accuracy"] for run in runs]
    best = runs[accuracies.index(max(accuracies))]
    assert [run for run in runs if (run / "gate.json").exists()] == [best]
    passed = json.loads((best / "gate.json").read_text())["passed"]
    assert ended.returncode == (0 if passed else 1)
    assert (place / "summary.md").read_text().startswith((best / "report" / "report.md").read_text())
    written = {path: path.stat().st_mtime_ns for path in place.glob("runs/*/*")}
    assert challenge(place, SEEDS="2", GITHUB_RUN_NUMBER="41").returncode == ended.returncode
    assert {path: path.stat().st_mtime_ns for path in place.glob("runs/*/*")} == written


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"SEEDS": "0"}, "SEEDS is '0', but must be a number from 1 to 20"),
        ({"SEEDS": "2; id"}, "SEEDS is '2; id'"),
        ({"ARCH": "$(id)"}, "arch is '$(id)', but must be one of mlp, cnn, cnn6"),
        ({"EXTRA_DATA": "nowhere"}, "nowhere"),
        ({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, "the MLflow server at http://127.0.0.1:9 does not answer"),
    ],
)
def test_what_cannot_be_trained_is_said_before_training(place, given, words):
    ended = challenge(place, **given)
    assert ended.returncode == 1
    assert words in ended.stderr
    assert words in (place / "summary.md").read_text()
    assert "Traceback" not in ended.stderr
    assert not list(place.glob("runs/challenger*"))


def test_mirrors_that_are_down_are_said_before_training(place):
    """After a champion of MNIST, with an empty cache. A proxy that is not there stands for the network."""
    shutil.copytree(ROOT / "deploy" / "model", place / "deploy" / "model", dirs_exist_ok=True)
    ended = challenge(place, https_proxy="http://127.0.0.1:9", no_proxy="")
    assert ended.returncode == 1
    for said in (ended.stderr, (place / "summary.md").read_text()):
        assert "MNIST cannot be had" in said
        assert all(f"{mirror}/train-images-idx3-ubyte.gz: " in said for mirror in MIRRORS)
    assert "Traceback" not in ended.stderr
    assert not list(place.glob("runs/challenger*"))
    assert not (place / "mlflow.db").exists()
