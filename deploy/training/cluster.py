"""Train seeds in a cluster: an Indexed Job, one pod a seed, tracked by the MLflow server beside it.

`make train-cluster` runs it, in the namespace of kubectl's context. Needs kubectl; standard library only.
"""

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.kubectl import Cluster, ClusterError, exit_code, obstacle
from deploy.training import runs

HERE = Path(__file__).parent
INDEX = "batch.kubernetes.io/job-completion-index"
POLL_S = 2.0


def install_mlflow(cluster: Cluster, image: str) -> None:
    """Install the MLflow server where there is none, and wait for it. One that is there is left as it is."""
    if not cluster("get", "deployment", "mlflow", "--ignore-not-found", "--output", "name"):
        print("There is no MLflow server here: installing one.", flush=True)
        cluster("apply", "--filename", str(HERE / "mlflow.yaml"))
        cluster("set", "image", "deployment/mlflow", f"server={image}")
    try:
        cluster("rollout", "status", "deployment/mlflow", "--timeout", "5m")
    except ClusterError as error:
        raise ClusterError(
            f"{error}. See why: kubectl describe pods --selector app.kubernetes.io/name=mlflow"
        ) from error


def start_job(cluster: Cluster, image: str, seeds: int, parallel: int, options: list[str]) -> str:
    """Create the Job of job.yaml with these numbers and options of the training; give its name."""
    job = cluster.json("create", "--dry-run=client", "--filename", str(HERE / "job.yaml"))
    job["metadata"]["name"] = f"train-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    job["spec"] |= {"completions": seeds, "parallelism": parallel}
    (container,) = job["spec"]["template"]["spec"]["containers"]
    container["image"] = image
    container["args"] += options
    cluster("create", "--filename", "-", given=json.dumps(job))
    return str(job["metadata"]["name"])


def follow(cluster: Cluster, job: str) -> bool:
    """Print how the Job goes on, until its end; give whether every seed was trained."""
    shown = ""
    while True:
        found = cluster.json("get", "job", job)
        line = progress(found, _pods(cluster, job))
        if line != shown:
            print(f"{datetime.now(UTC):%H:%M:%S} {line}", flush=True)
            shown = line
        ended = {one["type"] for one in found["status"].get("conditions", []) if one["status"] == "True"}
        if ended & {"Complete", "Failed"}:
            return "Complete" in ended
        time.sleep(POLL_S)


def progress(job: dict[str, Any], pods: list[dict[str, Any]]) -> str:
    """One line: how many seeds are trained, and what keeps those that do not start."""
    status, seeds = job["status"], job["spec"]["completions"]
    parts = [
        f"{status.get('succeeded', 0)} of {seeds} seeds trained",
        f"{status.get('ready', 0)} running",
    ]
    if status.get("failed"):
        parts.append(f"{status['failed']} failed")
    if status.get("failedIndexes"):
        parts.append(f"given up: seed {status['failedIndexes']}")
    parts += sorted({reason for pod in pods if (reason := obstacle(pod))})
    return ", ".join(parts)


def last_words(cluster: Cluster, job: str) -> str:
    """The end of the log of each seed's last failed pod."""
    failed = [pod for pod in _pods(cluster, job) if pod["status"]["phase"] == "Failed"]
    failed.sort(key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    last = {int(pod["metadata"]["labels"][INDEX]): pod["metadata"]["name"] for pod in failed}
    return "\n".join(f"seed {seed}: {cluster('logs', last[seed], '--tail', '3').strip()}" for seed in sorted(last))


def _pods(cluster: Cluster, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.json("get", "pods", "--selector", f"job-name={job}")["items"]
    return found


def train(cluster: Cluster, image: str, seeds: int, parallel: int, options: list[str]) -> bool:
    """Train each seed and print the table of their runs; give whether all were trained and are in MLflow."""
    install_mlflow(cluster, image)
    job = start_job(cluster, image, seeds, parallel, options)
    print(
        f"Job {job}: {seeds} seeds, {parallel} at once. Ctrl-C leaves it running; `kubectl delete job {job}` ends it."
    )
    trained = follow(cluster, job)
    with cluster.forwarded("service/mlflow", 5000) as address:
        runs.end_abandoned(address, job)
        found = runs.of_job(address, job)
    print(runs.table(found))
    if not trained:
        print(last_words(cluster, job), file=sys.stderr)
    return trained and runs.finished(found).keys() == set(range(seeds))


def main() -> int:
    """Give 0 if every seed was trained, 1 if one was not or the cluster does not do as asked, 130 on Ctrl-C."""
    parser = argparse.ArgumentParser("python -m deploy.training.cluster", description="Train seeds in a cluster.")
    parser.add_argument("--image", default="mnist-api-training", help="the training image (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0, 1, … to train (default: %(default)s)")
    parser.add_argument("--parallel", type=int, default=2, help="pods at once (default: %(default)s)")
    parser.add_argument("--context", default="", help="kubectl's context (default: the current one)")
    parser.add_argument("options", nargs="*", help="after --: options of `python -m training`, the same for each seed")
    given = parser.parse_args()

    def execute() -> int:
        return 0 if train(Cluster(given.context), given.image, given.seeds, given.parallel, given.options) else 1

    return exit_code(execute, runs.TrackingError)


if __name__ == "__main__":
    sys.exit(main())
