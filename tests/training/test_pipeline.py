"""A whole run through the command line: what it leaves, what MLflow holds, and what failure leaves."""

import hashlib
import json
import signal
import subprocess
import sys
from dataclasses import asdict

import keras
import mlflow
import numpy as np
import pytest

from app import bundle, model
from tests.training.conftest import RUN_TIMEOUT_S, train, training_environment
from training import data
from training.__main__ import main
from training.config import TrainConfig
from training.corruptions import accuracies
from training.export import to_litert
from training.fit import fit


@pytest.fixture(scope="module")
def tracked(finished):
    """The MLflow run that the finished run logged."""
    uri = f"sqlite:///{finished.folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    (run,) = mlflow.MlflowClient(uri).search_runs([mlflow.get_experiment_by_name("mnist-api").experiment_id])
    return run


def test_run_folder_is_complete(finished):
    names = {str(path.relative_to(finished.out)) for path in finished.out.rglob("*") if path.is_file()}
    assert names == {
        "bundle/golden.json",
        "bundle/manifest.json",
        "bundle/model.tflite",
        "config.json",
        "mnist_model.h5",
        "model.keras",
        *(f"report/{name}.png" for name in ("comparison", "confusion", "learning_curves", "mistakes", "reliability")),
        "report.json",
        "report/report.html",
        "report/report.md",
    }


def test_configuration_is_whole(finished):
    expected = asdict(TrainConfig(dataset="digits", epochs=3))
    assert json.loads((finished.out / "config.json").read_text()) == expected


def test_bundle_is_served_and_says_where_it_comes_from(finished, tracked):
    classifier = model.load(finished.out / "bundle")
    manifest = classifier.bundle.manifest
    assert manifest.name == "mlp_digits"
    assert manifest.dataset == "digits"
    assert manifest.lineage["train_config"]["epochs"] == 3
    assert manifest.lineage["temperature"] != 1
    assert manifest.lineage["mlflow_run_id"] == tracked.info.run_id
    assert manifest.lineage["data_sha256"] == data.load("digits").sha256
    assert manifest.lineage["versions"].keys() >= {"python", "keras", "ai-edge-litert", "numpy", "mlflow"}
    assert sorted(case.label for case in classifier.bundle.golden.cases) == list(range(10))


def test_students_lineage_says_who_taught_it(finished, tmp_path):
    teacher = finished.out / "model.keras"
    ended = train(tmp_path, "--dataset", "digits", "--teacher", teacher, "--out", tmp_path / "student")
    assert ended.returncode == 0, ended.stderr
    lineage = bundle.read(tmp_path / "student" / "bundle").manifest.lineage
    assert lineage["teacher"]["sha256"] == hashlib.sha256(teacher.read_bytes()).hexdigest()
    assert lineage["teacher"]["train_config"] == json.loads((finished.out / "config.json").read_text())
    assert bundle.read(finished.out / "bundle").manifest.lineage["teacher"] is None


def test_every_artefact_of_digits_says_so(finished, tracked):
    assert json.loads((finished.out / "report.json").read_text())["dataset"] == "digits"
    assert json.loads((finished.out / "config.json").read_text())["dataset"] == "digits"
    assert bundle.read(finished.out / "bundle").manifest.name.endswith("_digits")
    for name in ("model.keras", "mnist_model.h5"):
        assert keras.models.load_model(finished.out / name).name == "mlp_digits"
    assert b"digits" in (finished.out / "bundle" / "model.tflite").read_bytes()
    assert tracked.data.tags["dataset"] == "digits"


def test_report_is_that_of_the_bundle_on_the_test_split(finished):
    report = json.loads((finished.out / "report.json").read_text())
    digits = data.load("digits")
    answers = model.load(finished.out / "bundle").predict(np.float32(digits.test.images) / 255).argmax(axis=1)
    assert report["test"]["accuracy"] == (answers == digits.test.labels).mean() > 0.8
    assert len(report["history"]) == 3


def test_report_says_what_is_read_of_corrupted_validation_images(finished):
    report = json.loads((finished.out / "report.json").read_text())
    digits = data.load("digits")
    served = model.load(finished.out / "bundle").predict
    corrupted = report["corrupted"]
    assert (corrupted["split"], corrupted["severity"]) == ("validation", 3)
    assert corrupted["accuracy"] == accuracies(served, digits.validation, severity=3)
    assert min(corrupted["accuracy"].values()) < report["test"]["accuracy"]


def test_progress_is_shown(finished):
    assert "Epoch 3/3" in finished.process.stdout
    assert "val_accuracy" in finished.process.stdout
    assert "mlp_digits" in finished.process.stdout.splitlines()[-1]


def test_mlflow_holds_parameters_metrics_and_tags(finished, tracked):
    assert tracked.info.status == "FINISHED"
    assert tracked.data.params == {
        name: str(value) for name, value in asdict(TrainConfig(dataset="digits", epochs=3)).items()
    }
    wanted = {"test_accuracy", "test_worst_class_recall", "test_ece", "validation_corrupted_accuracy"}
    assert wanted <= tracked.data.metrics.keys()
    manifest = bundle.read(finished.out / "bundle").manifest
    assert tracked.data.metrics["test_accuracy"] == manifest.metrics["accuracy"]
    assert tracked.data.tags["model_sha256"] == manifest.sha256
    assert {"git_commit", "git_dirty", "data_sha256"} <= tracked.data.tags.keys()
    client = mlflow.MlflowClient()
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert [metric.step for metric in client.get_metric_history(tracked.info.run_id, name)] == [1, 2, 3]


def test_mlflow_holds_the_bundle(finished, tracked, tmp_path):
    folder = mlflow.artifacts.download_artifacts(
        run_id=tracked.info.run_id, artifact_path="bundle", dst_path=str(tmp_path)
    )
    assert bundle.read(tmp_path / "bundle") == bundle.read(finished.out / "bundle"), folder


def test_model_reloaded_by_pyfunc_gives_the_same_probabilities(finished, tracked):
    loaded = mlflow.pyfunc.load_model(f"runs:/{tracked.info.run_id}/model")
    assert loaded.metadata.signature.inputs.input_names() or loaded.metadata.signature.inputs.inputs
    assert loaded.input_example.shape == (1, 784)
    images = np.float32(data.load("digits").test.images[:50]).reshape(-1, 784) / 255
    expected = model.load(finished.out / "bundle").predict(images.reshape(-1, 28, 28))
    assert loaded.predict(images) == pytest.approx(expected, abs=1e-4)


def test_another_seed_gives_another_model(finished):
    other = fit(TrainConfig(dataset="digits", epochs=3, seed=1), data.load("digits"), lambda *_: None)
    assert to_litert(other) != (finished.out / "bundle" / "model.tflite").read_bytes()


@pytest.mark.parametrize("name", ["mnist_model.h5", "model.keras"])
def test_keras_file_becomes_a_bundle(finished, tmp_path, name):
    made_of = ["--from-keras", str(finished.out / name), "--out", str(tmp_path / "made")]
    assert main(["--dataset", "digits", *made_of]) == 0
    made, original = (model.load(folder / "bundle") for folder in (tmp_path / "made", finished.out))
    images = np.float32(data.load("digits").test.images) / 255
    assert made.predict(images) == pytest.approx(original.predict(images), abs=1e-6)
    assert made.bundle.manifest.lineage["keras_file"] == name


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x03\x04"])
@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.txt"])
def test_file_that_is_no_keras_model_is_refused_in_one_line(tmp_path, capsys, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    assert main(["--dataset", "digits", "--from-keras", str(path), "--out", str(tmp_path / "made")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {path} is no Keras model")
    assert list(tmp_path.iterdir()) == [path]


def test_existing_folder_is_left_alone(finished, capsys):
    before = bundle.read(finished.out / "bundle")
    assert main(["--dataset", "digits", "--out", str(finished.out)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert bundle.read(finished.out / "bundle") == before


def test_ctrl_c_leaves_nothing_half_written(tmp_path):
    command = [sys.executable, "-m", "training", "--dataset", "digits", "--epochs", "100000", "--out", tmp_path / "out"]
    environment = training_environment(tmp_path) | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert any(line.startswith("Epoch 2/") for line in running.stdout)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=RUN_TIMEOUT_S)
    assert running.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert {path.name for path in tmp_path.iterdir()} <= {"mlflow.db", "mlruns", "cache"}
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("mnist-api").experiment_id])
    assert run.info.status == "KILLED"
