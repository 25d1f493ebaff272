"""Load on a release from inside its cluster, and a verdict: `make load-cluster`.

Locust's master and workers run as Jobs beside the release. Their results are brought here, and they are deleted,
whatever happens. Needs kubectl and an image that `make load-image` built; standard library only.
"""

import argparse
import json
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any

from deploy.kubectl import Cluster, ClusterError, exit_code, obstacle
from loadtests import objectives, results
from loadtests.results import VERDICT

MANIFEST = Path(__file__).parent / "cluster.yaml"
LABEL = "app.kubernetes.io/name=mnist-api-load"
KINDS = "jobs,services,configmaps,pods"
WORKERS_WAIT_S = 120
START_TIMEOUT_S = 300
POLL_S = 2.0
RUNS = "master runs"


def address(cluster: Cluster, release: str) -> str:
    """The address of a release's Service, as pods of its namespace name it."""
    selector = f"app.kubernetes.io/name=mnist-api,app.kubernetes.io/instance={release}"
    found = cluster.json("get", "services", "--selector", selector)["items"]
    if len(found) != 1:
        raise ClusterError(f"{len(found)} Services belong to a release called {release}: name it by RELEASE, NAMESPACE")
    (port,) = (one["port"] for one in found[0]["spec"]["ports"] if one["name"] == "http")
    return f"http://{found[0]['metadata']['name']}:{port}"


def manifest(image: str, workers: int, host: str, shape: str, duration_s: float) -> str:
    """The Jobs that load a host, as YAML."""
    arguments = [
        *("--master", "--expect-workers", str(workers), "--expect-workers-max-wait", str(WORKERS_WAIT_S)),
        *("--host", host, "--shape", shape, "--slo", "/slo/slo.toml", "--duration", str(duration_s)),
        *("--csv", "/results/load", "--html", "/results/report.html", "--verdict", f"/results/{VERDICT}"),
        *("--exit-code-on-error", "1"),
    ]
    # What is JSON is YAML too.
    values = {"image": image, "workers": workers, "master_args": arguments}
    return Template(MANIFEST.read_text()).substitute({name: json.dumps(value) for name, value in values.items()})


def follow(cluster: Cluster) -> int:
    """Print how the load goes on, until its end; give the exit code of Locust's master.

    Raises ClusterError if the master does not start, or is ended from outside.
    """
    shown, give_up = "", time.monotonic() + START_TIMEOUT_S
    while True:
        pods = _pods(cluster)
        line = progress(pods)
        if line != shown:
            print(f"{datetime.now(UTC):%H:%M:%S} {line}", flush=True)
            shown = line
        for pod in pods:
            if _component(pod) == "master" and (ended := _state(pod).get("terminated")):
                return int(ended["exitCode"])
            if pod["status"].get("reason"):
                raise ClusterError(f"{pod['metadata']['name']} was ended: {pod['status']['reason']}")
        if not line.startswith(RUNS) and time.monotonic() > give_up:
            raise ClusterError(f"after {START_TIMEOUT_S} s, {line}")
        time.sleep(POLL_S)


def progress(pods: list[dict[str, Any]]) -> str:
    """One line: how many generators run, and what keeps those that do not start."""
    running = [_component(pod) for pod in pods if "running" in _state(pod)]
    parts = [RUNS if "master" in running else "master does not run", f"{running.count('worker')} workers run"]
    return ", ".join(parts + sorted({reason for pod in pods if (reason := obstacle(pod))}))


def _pods(cluster: Cluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.json("get", "pods", "--selector", LABEL)["items"]
    return found


def _component(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["labels"]["app.kubernetes.io/component"])


def _state(pod: dict[str, Any]) -> dict[str, Any]:
    """The state of a pod's Locust; empty before it has one."""
    states = (one["state"] for one in pod["status"].get("containerStatuses", []) if one["name"] == "locust")
    return next(states, {})


def fetch(cluster: Cluster, out: Path) -> None:
    """Bring the results here: what is in the master's folder, and what every pod said."""
    out.mkdir(parents=True)
    for pod in _pods(cluster):
        name = pod["metadata"]["name"]
        (out / f"{name}.log").write_text(cluster("logs", name, "--container", "locust"))
        if _component(pod) == "master":
            cluster("cp", f"{name}:/results", str(out), "--container", "results")


def load(cluster: Cluster, slo: Path, jobs: str, out: Path) -> int:
    """Run the Jobs, bring their results, delete them; give 0 if the verdict is a pass."""
    try:
        cluster("create", "configmap", "load-slo", f"--from-file=slo.toml={slo}")
    except ClusterError as error:
        raise ClusterError(f"{error}\nDelete what another load left: kubectl delete {KINDS} -l {LABEL}") from error
    try:
        cluster("label", "configmap", "load-slo", LABEL)
        cluster("create", "--filename", "-", given=jobs)
        code = follow(cluster)
        fetch(cluster, out)
    finally:
        cluster("delete", KINDS, "--selector", LABEL, "--wait")
    if (out / VERDICT).exists():
        print(f"\n{(out / VERDICT).read_text()}", end="")
        return code
    print(f"FAILED: no verdict. See what the pods said, in {out}")
    return code or 1


def main() -> int:
    """Give 0 if the verdict is a pass, 1 if it is not or the cluster does not do as asked, 130 on Ctrl-C."""
    parser = argparse.ArgumentParser("python -m loadtests.cluster", description="Load a release from its cluster.")
    parser.add_argument("--image", default="mnist-api-load", help="the load image (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=3, help="pods that make the load (default: %(default)s)")
    parser.add_argument("--context", default="", help="kubectl's context (default: the current one)")
    parser.add_argument("--namespace", default="", help="of the release (default: the context's)")
    parser.add_argument("--release", default="mnist", help="the release's name (default: %(default)s)")
    parser.add_argument("--shape", choices=objectives.SHAPES, default="steady", help="(default: %(default)s)")
    parser.add_argument("--slo", type=Path, default=objectives.PATH, help="the file of objectives")
    parser.add_argument("--duration", type=float, default=0, help="seconds, in place of the file's duration_s")
    given = parser.parse_args()
    # As Ctrl-C does, so that who ends this finds nothing left in the cluster.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cluster = Cluster(given.context, given.namespace)
    out = results.folder(f"{given.shape}-cluster")

    def execute() -> int:
        wanted = objectives.read(given.shape, given.slo, given.duration)
        host = address(cluster, given.release)
        print(f"Load goes to {host}: {given.shape}, {wanted.duration_s:g} s, {given.workers} workers. Results: {out}")
        jobs = manifest(given.image, given.workers, host, given.shape, given.duration)
        return load(cluster, given.slo, jobs, out)

    return exit_code(execute, objectives.ObjectivesError)


if __name__ == "__main__":
    sys.exit(main())
