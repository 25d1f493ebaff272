"""What `make train-cluster` says of a Job and its runs, and how its manifests fit. On a cluster: make e2e-training."""

import yaml

from deploy.training import cluster, runs
from tests.serving import ROOT

FOLDER = ROOT / "deploy" / "training"


def job(**status):
    return {"spec": {"completions": 3}, "status": status}


def pod(**status):
    return {"status": status}


RUNNING = pod(containerStatuses=[{"state": {"running": {}}}])


def test_progress_counts_seeds_and_names_those_given_up():
    line = cluster.progress(job(succeeded=1, ready=1, failed=3, failedIndexes="2"), [RUNNING])
    assert line == "1 of 3 seeds trained, 1 running, 3 failed, given up: seed 2"


def test_progress_says_what_keeps_pods_from_starting():
    unscheduled = pod(
        conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient cpu."}]
    )
    absent = pod(containerStatuses=[{"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}])
    starting = pod(containerStatuses=[{"state": {"waiting": {"reason": "ContainerCreating"}}}])
    line = cluster.progress(job(), [unscheduled, unscheduled, absent, starting])
    assert line == "0 of 3 seeds trained, 0 running, 0/1 nodes: Insufficient cpu., ErrImagePull: not found"


def run(seed, status, accuracy=None):
    metrics = {} if accuracy is None else {"test_accuracy": accuracy}
    return runs.Run(f"{seed:032x}", seed, status, 1.5, metrics)


def test_table_has_every_run_and_the_spread_of_the_finished_ones():
    found = [run(0, "KILLED"), run(0, "FINISHED", 0.98), run(1, "FINISHED", 0.99), run(2, "FAILED", 0.1)]
    head, *lines = runs.table(found).splitlines()
    assert head.split()[:4] == ["seed", "run", "status", "minutes"]
    assert [line.split()[:1] + line.split()[2:5] for line in lines[:4]] == [
        ["0", "KILLED"],
        ["0", "FINISHED", "1.5", "0.9800"],
        ["1", "FINISHED", "1.5", "0.9900"],
        ["2", "FAILED", "0.1000"],
    ]
    assert lines[4:] == ["accuracy: 0.9850 +- 0.0071 (mean and standard deviation, n = 2)"]
    assert runs.finished(found).keys() == {0, 1}


def test_job_reaches_the_server_by_a_name_that_it_takes():
    (job,) = yaml.safe_load_all((FOLDER / "job.yaml").read_text())
    server = {one["kind"]: one for one in yaml.safe_load_all((FOLDER / "mlflow.yaml").read_text())}
    (trainer,) = job["spec"]["template"]["spec"]["containers"]
    (host,) = (one["value"].removeprefix("http://") for one in trainer["env"] if one["name"] == "MLFLOW_TRACKING_URI")
    (port,) = server["Service"]["spec"]["ports"]
    assert host == f"{server['Service']['metadata']['name']}:{port['port']}"
    template = server["Deployment"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    (allowed,) = (one.partition("=")[2] for one in container["args"] if one.startswith("--allowed-hosts="))
    assert host in allowed.split(",")
    selectors = [server["Service"]["spec"]["selector"], server["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]]
    assert selectors == [template["metadata"]["labels"]] * 2
    assert container["image"] == trainer["image"]
