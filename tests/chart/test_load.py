"""What `make load-cluster` runs in a cluster, and what it says of it. On a cluster: `make kind`, then that."""

import pytest
import yaml

from loadtests import cluster

HOST = "http://mnist-mnist-api:80"
MANIFEST = cluster.manifest("registry.example.org/load:1", 3, HOST, "steady", 0)
SERVICE, MASTER, WORKER = yaml.safe_load_all(MANIFEST)


def test_workers_are_as_many_as_the_master_waits_for():
    arguments = MASTER["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("--expect-workers") + 1] == "3"
    assert WORKER["spec"]["completions"] == WORKER["spec"]["parallelism"] == 3


def test_service_selects_the_master_alone():
    selected = SERVICE["spec"]["selector"].items()
    master, worker = (job["spec"]["template"]["metadata"]["labels"] for job in (MASTER, WORKER))
    assert selected <= master.items()
    assert not selected <= worker.items()
    assert SERVICE["metadata"]["name"] in WORKER["spec"]["template"]["spec"]["containers"][0]["args"]


@pytest.mark.parametrize("job", [MASTER, WORKER])
def test_pods_are_restricted_and_deleted_by_their_label(job):
    template = job["spec"]["template"]
    name, _, value = cluster.LABEL.partition("=")
    assert job["metadata"]["labels"][name] == template["metadata"]["labels"][name] == value
    assert template["spec"]["securityContext"]["runAsNonRoot"]
    assert template["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in template["spec"]["containers"]:
        assert container["image"] == "registry.example.org/load:1"
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def pod(component, **state):
    status = {"containerStatuses": [{"name": "locust", "state": state}]}
    return {"metadata": {"labels": {"app.kubernetes.io/component": component}}, "status": status}


def test_progress_counts_what_runs_and_says_what_keeps_the_rest_from_it():
    absent = pod("worker", waiting={"reason": "ErrImagePull", "message": "not found"})
    line = cluster.progress([pod("master", running={}), pod("worker", running={}), absent, absent])
    assert line == "master runs, 1 workers run, ErrImagePull: not found"
