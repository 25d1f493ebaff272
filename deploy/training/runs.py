"""The runs of a Job as MLflow knows them, by its REST interface: nothing need be installed to read them."""

import json
import time
import urllib.request
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

EXPERIMENT = "mnist-api"
# Columns of the table, and the metrics' names.
METRICS = {"accuracy": "test_accuracy", "worst class": "test_worst_class_recall", "ece": "test_ece"}
TIMEOUT_S = 30


class TrackingError(Exception):
    """The MLflow server does not answer as it should; the message says how."""


@dataclass(frozen=True)
class Run:
    """One training that a pod started."""

    id: str
    seed: int
    status: str
    minutes: float
    metrics: dict[str, float]


def of_job(address: str, job: str) -> list[Run]:
    """Every run of a Job's pods, the killed ones too, by seed and then by start."""
    experiments = _ask(address, "experiments/search", {"max_results": 1000, "filter": f"name = '{EXPERIMENT}'"})
    query = {
        "experiment_ids": [one["experiment_id"] for one in experiments.get("experiments", [])],
        "filter": f"tags.kubernetes_job = '{job}'",
        "order_by": ["attributes.start_time ASC"],
        "max_results": 10_000,
    }
    found = _ask(address, "runs/search", query).get("runs", []) if query["experiment_ids"] else []
    return sorted(map(_run, found), key=lambda run: run.seed)


def end_abandoned(address: str, job: str) -> None:
    """Give the runs that killed pods could not end the status KILLED. Only for a Job that has ended."""
    for run in of_job(address, job):
        if run.status == "RUNNING":
            ended = {"run_id": run.id, "status": "KILLED", "end_time": round(time.time() * 1000)}
            _ask(address, "runs/update", ended)


def finished(found: list[Run]) -> dict[int, Run]:
    """Each seed's last finished run."""
    return {run.seed: run for run in found if run.status == "FINISHED"}


def table(found: list[Run]) -> str:
    """A line a run, and the mean and standard deviation over the seeds that finished."""
    lines = [f"{'seed':>4}  {'run':32}  {'status':8}  {'minutes':>7}" + "".join(f"  {name:>11}" for name in METRICS)]
    for run in found:
        figures = (f"{run.metrics[key]:.4f}" if key in run.metrics else "" for key in METRICS.values())
        minutes = f"{run.minutes:.1f}" if run.status == "FINISHED" else ""  # a killed one ended before it was noticed
        start = f"{run.seed:>4}  {run.id:32}  {run.status:8}  {minutes:>7}"
        lines.append(start + "".join(f"  {text:>11}" for text in figures))
    samples = {name: _sample(found, key) for name, key in METRICS.items()}
    lines += [
        f"{name}: {fmean(values):.4f} +- {stdev(values):.4f} (mean and standard deviation, n = {len(values)})"
        for name, values in samples.items()
        if len(values) > 1
    ]
    return "\n".join(lines)


def _sample(found: list[Run], key: str) -> list[float]:
    return [run.metrics[key] for run in finished(found).values() if key in run.metrics]


def _run(answer: dict[str, Any]) -> Run:
    info, data = answer["info"], answer["data"]
    params = {one["key"]: one["value"] for one in data.get("params", [])}
    end_ms = info.get("end_time") or round(time.time() * 1000)
    return Run(
        id=info["run_id"],
        seed=int(params.get("seed", -1)),
        status=info["status"],
        minutes=(int(end_ms) - int(info["start_time"])) / 60_000,
        metrics={one["key"]: float(one["value"]) for one in data.get("metrics", [])},
    )


def _ask(address: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    url = f"{address}/api/2.0/mlflow/{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            content: dict[str, Any] = json.load(answer)
            return content
    except (OSError, ValueError) as error:
        raise TrackingError(f"MLflow does not answer {path}: {error}") from error
