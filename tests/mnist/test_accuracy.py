"""What the models reach on the real MNIST: a minute of training, so apart from the other tests."""

import json
import os
import subprocess
import sys

import pytest

from app import model
from tests.serving import ROOT
from training import data
from training.evaluate import evaluate

SEEDS = os.environ.get("TRAIN_SEEDS", "0").split()


@pytest.mark.parametrize("seed", SEEDS)
def test_mlp_with_defaults_reaches_the_originals_accuracy(tmp_path, monkeypatch, seed):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    out = tmp_path / "run"
    subprocess.run([sys.executable, "-m", "training", "--seed", seed, "--out", out], cwd=ROOT, check=True)
    report = json.loads((out / "report.json").read_text())
    assert report["test"]["n"] == 10_000
    assert 0.975 <= report["test"]["accuracy"] <= 0.985


def test_champion_is_as_good_as_its_manifest_says():
    champion = model.load(ROOT / "deploy" / "model")
    mnist = data.load("mnist")
    metrics = champion.bundle.manifest.metrics
    assert mnist.sha256 == champion.bundle.manifest.lineage["data_sha256"]
    assert evaluate(champion.predict, mnist.test).accuracy == pytest.approx(metrics["accuracy"], abs=5e-4)
