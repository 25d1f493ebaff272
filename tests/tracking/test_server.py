"""On a real MLflow server: a run that is whole and the same as a local one, and the registry."""

import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow

from app import bundle
from tests.training.conftest import RUN_TIMEOUT_S, FinishedRun, train, training_environment
from training import registry, tracking


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


def test_retraining_on_a_server_registers_the_model_with_its_signature(mlflow_server, tmp_path, monkeypatch):
    uri, _ = mlflow_server
    old = FinishedRun(tmp_path).out / "bundle"
    champion, new = tmp_path / "deploy" / "model", tmp_path / "new"
    shutil.copytree(old, champion)
    options = ["--dataset", "digits", "--epochs", "3", "--seed", "1", "--champion", champion, "--out", new]
    ended = subprocess.run(
        [sys.executable, "-m", "training.retrain", *options],
        cwd=tmp_path,
        env=training_environment(tmp_path, MLFLOW_TRACKING_URI=uri),
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_TIMEOUT_S,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert bundle.read(champion) == bundle.read(new / "bundle")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    version = mlflow.MlflowClient().get_model_version_by_alias("mnist-api", "challenger")
    assert version.tags["model_sha256"] == bundle.read(champion).manifest.sha256
    signature = mlflow.models.get_model_info("models:/mnist-api@challenger").signature
    assert [tensor.shape for tensor in (*signature.inputs.inputs, *signature.outputs.inputs)] == [(-1, 784), (-1, 10)]

    manifest = bundle.read(old).manifest
    with registry.opened() as models:
        adopted = models.adopt(old, manifest)
        assert models.fetch(adopted, tmp_path)
        assert models.holding(manifest.sha256) == adopted
    assert bundle.read(tmp_path / "model") == bundle.read(old)


def test_run_is_in_its_experiment_though_another_creates_that_at_the_same_time(mlflow_server, monkeypatch):
    uri, _ = mlflow_server
    with creating_first(uri) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with tracking.start({"seed": 0}, {}) as run:
            pass
    client = mlflow.MlflowClient(uri)
    (found,) = client.search_runs([client.get_experiment_by_name("mnist-api").experiment_id])
    assert (found.info.run_id, found.info.status) == (run.id, "FINISHED")


@contextmanager
def creating_first(uri):
    """The address of a way to MLflow on which whatever is to be created was created by another just before."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for _ in range(2 if self.path.endswith("/experiments/create") else 1):
                status, answer = ask(f"{uri}{self.path}", body)
            self.tell(status, answer)

        def do_GET(self):
            self.tell(*ask(f"{uri}{self.path}"))

        def tell(self, status, answer):
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def ask(url, body=None):
    """The status and content of an answer, whatever it is."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
