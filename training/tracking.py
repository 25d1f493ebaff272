"""Tracking: what a run did, in MLflow. Only this file and training.registry import mlflow."""

import contextlib
import io
import os
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a run tells nobody but its tracking store
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
import numpy as np

from training import TrainingError

EXPERIMENT = "mnist-api"
LOCAL_STORE = Path("mlflow.db")
SERVER_TIMEOUT_S = 5


class TrackingError(TrainingError):
    """The tracking store does not answer; the message says which and what to do."""


class Run:
    """One MLflow run that has been started."""

    def __init__(self, run_id: str) -> None:
        self.id = run_id

    def log_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        mlflow.log_metrics({name: float(value) for name, value in metrics.items()}, step=epoch)

    def log_result(self, metrics: dict[str, float], tags: dict[str, str], folder: Path) -> None:
        """Log a run's final metrics, tags, and every file of its folder."""
        mlflow.log_metrics(metrics)
        mlflow.set_tags(tags)
        mlflow.log_artifacts(str(folder))

    def log_model(self, model: Any, images: np.ndarray) -> None:
        """Log a Keras model with its signature and an input example, loadable by mlflow.pyfunc."""
        signature = mlflow.models.infer_signature(images, model.predict(images, verbose=0))
        # Named here, or MLflow starts a second TensorFlow process to find out.
        requirements = ["tensorflow", *(f"{package}=={version(package)}" for package in ("keras", "mlflow", "numpy"))]
        # MLflow loads the model once to try it, which draws Keras' progress bars between the run's own.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            mlflow.tensorflow.log_model(
                model,
                name="model",
                signature=signature,
                input_example=images[:1],
                pip_requirements=requirements,
            )


@contextlib.contextmanager
def start(params: dict[str, Any], tags: dict[str, str]) -> Iterator[Run]:
    """Start a run: in the store that MLFLOW_TRACKING_URI names, else in ./mlflow.db with artifacts in ./mlruns.

    The run ends FINISHED, FAILED if an exception leaves the block, KILLED on Ctrl-C. Raises TrackingError at once
    if a tracking server does not answer.
    """
    with connected():
        chosen = mlflow.set_experiment(experiment())
        # Named: where another run creates the experiment at this moment, MLflow gives it back and does not set it.
        run = mlflow.start_run(experiment_id=chosen.experiment_id, tags=tags)
        status = "FAILED"
        try:
            mlflow.log_params(params)
            yield Run(run.info.run_id)
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            mlflow.end_run(status)


@contextlib.contextmanager
def connected() -> Iterator[mlflow.MlflowClient]:
    """Give a client of the store, and make MLflow's own functions use it. Raises TrackingError where MLflow fails."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{LOCAL_STORE.resolve()}"
    _require_answer(uri)
    mlflow.set_tracking_uri(uri)
    try:
        yield mlflow.MlflowClient()
    except mlflow.exceptions.MlflowException as error:
        raise TrackingError(f"MLflow at {uri} failed: {error}") from error


def experiment() -> str:
    """The name of the experiment that runs belong to."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT


def log_verdict(run_id: str, verdict: Path, *, passed: bool, failed_rules: tuple[str, ...], report: Path) -> None:
    """Log the Gate's verdict of a run, and the report if its folder is there. A second time changes nothing.

    Raises TrackingError unless the run is whole: it may have been killed between its folder and its last artifact.
    """
    with connected() as client:
        status = client.get_run(run_id).info.status
        if status != "FINISHED":
            raise TrackingError(
                f"the run {run_id} is {status} in MLflow, not FINISHED: it was killed while it was logged, so its model"
                " is not there to be registered. Train it again."
            )
        client.log_artifact(run_id, str(verdict))
        if report.is_dir():
            client.log_artifacts(run_id, str(report), report.name)
        client.set_tag(run_id, "gate_failed_rules", ", ".join(failed_rules))
        client.set_tag(run_id, "gate", "passed" if passed else "failed")


def _require_answer(uri: str) -> None:
    """Ask a tracking server for its health. MLflow itself would try for minutes, and only after training."""
    if not uri.startswith(("http://", "https://")):
        return
    try:
        urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=SERVER_TIMEOUT_S).close()
    except urllib.error.HTTPError:
        pass  # it answers; whether it lets us in, MLflow will say
    except OSError as error:
        raise TrackingError(
            f"the MLflow server at {uri} does not answer: {error}. Start it, correct MLFLOW_TRACKING_URI,"
            f" or unset it to track in {LOCAL_STORE}."
        ) from error
