"""A run on a real MLflow server: whole, and the same as a local one."""

import subprocess
import sys
import urllib.request

import mlflow
import pytest

from app import bundle
from tests.serving import free_port
from tests.training.conftest import FinishedRun, train


@pytest.fixture
def mlflow_server(tmp_path):
    """`mlflow server` on loopback, with a database and an artifact store of its own."""
    port = free_port()
    folder = tmp_path / "server"
    folder.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = [
        "--backend-store-uri",
        f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    with subprocess.Popen(
        [*command, *stores], cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as running:
        try:
            assert any("startup complete" in line for line in running.stderr)
            yield f"http://127.0.0.1:{port}", folder
        finally:
            running.terminate()
            running.communicate(timeout=60)


def test_run_on_a_server_is_whole_and_the_same_as_a_local_one(mlflow_server, tmp_path, monkeypatch):
    uri, folder = mlflow_server
    local = tmp_path / "local"
    local.mkdir()
    finished = FinishedRun(local)
    assert urllib.request.urlopen(f"{uri}/health", timeout=10).status == 200
    ended = train(tmp_path, "--dataset", "digits", "--epochs", 3, "--out", tmp_path / "out", MLFLOW_TRACKING_URI=uri)
    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "mlflow.db").exists()
    # Same seed and data, another process: the same bytes.
    ours, theirs = (folder / "bundle" / "model.tflite" for folder in (tmp_path / "out", finished.out))
    assert ours.read_bytes() == theirs.read_bytes()

    client = mlflow.MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("mnist-api").experiment_id])
    assert run.info.status == "FINISHED"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="bundle", dst_path=str(tmp_path / "fetched")
    )
    assert bundle.read(tmp_path / "fetched" / "bundle") == bundle.read(tmp_path / "out" / "bundle")
    assert mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model").metadata.signature
    assert list((folder / "artifacts").rglob("model.tflite"))
