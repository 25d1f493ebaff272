"""The end-to-end test of training in a cluster: seeds as a Job, a killed pod, retraining by the chart. On digits.

`make e2e-training` runs it. Needs docker, kind, kubectl and helm. Standard library only. Makes a cluster of its own,
and deletes it at the end unless KEEP is set.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from proof import prove
from tools import (
    HELM,
    ROOT,
    SERVICE,
    forwarded,
    kubectl,
    require,
    run,
    say,
    sh,
    wait_until,
    write_claim,
)

IMAGE = os.environ.get("IMAGE", "mnist-api")
TRAIN_IMAGE = os.environ.get("TRAIN_IMAGE", "mnist-api-training")
NODE_IMAGE = os.environ.get("NODE_IMAGE", "")
CLUSTER = "mnist-training"
NAMESPACE = "training"
CRON_JOB = f"{SERVICE}-retrain"
SEEDS = 3
# Enough epochs for a pod to be killed amid them.
TRAIN = f"make train-cluster SEEDS={SEEDS} TRAIN_IMAGE=mnist-api-training:e2e ARGS='--dataset digits --epochs 100'"
TIMEOUT_S = 600

# The service's image with a champion that digits can be compared with, which the training image trains.
DIGITS = f"""
FROM {TRAIN_IMAGE} AS train
RUN ["python", "-m", "training", "--dataset", "digits", "--epochs", "3", "--out", "/work/run"]
FROM {IMAGE}
COPY --from=train /work/run/bundle /srv/deploy/model
"""


def make_cluster() -> None:
    """Make a cluster of one node with both images, and a namespace that enforces restricted pods."""
    node = f"--image {NODE_IMAGE}" if NODE_IMAGE else ""
    sh(f"kind create cluster --name {CLUSTER} --wait 120s {node}")
    sh(f"docker tag {TRAIN_IMAGE} mnist-api-training:e2e")
    sh("docker build --quiet --tag mnist-api:e2e -", DIGITS)
    sh(f"kind load docker-image --name {CLUSTER} mnist-api:e2e mnist-api-training:e2e")
    sh(f"kubectl create namespace {NAMESPACE}")
    sh(f"kubectl config set-context --current --namespace {NAMESPACE}")
    # MLflow's, which is not root and must be able to write to it.
    write_claim("mlflow", NAMESPACE, "10Gi", "import os; os.chmod('/claim', 0o777)")
    sh(f"kubectl label namespace {NAMESPACE} pod-security.kubernetes.io/enforce=restricted")


def seeds() -> None:
    """Train three seeds while a pod is killed: it is tried again, and all runs arrive whole."""
    out = subprocess.PIPE
    with subprocess.Popen(shlex.split(TRAIN), cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, text=True) as training:
        victim = amid_training()
        kubectl(f"delete pod {victim} --grace-period 0 --force", NAMESPACE)
        say(f"killed amid training: {victim}")
        printed, _ = training.communicate(timeout=TIMEOUT_S)
    print(printed, end="")
    require(training.returncode == 0, "make train-cluster says that all seeds were trained")
    found = runs()
    require(sorted(statuses(found)) == ["FINISHED"] * SEEDS + ["KILLED"], f"runs in MLflow: {statuses(found)}")
    whole = [one for one in found if one["info"]["status"] == "FINISHED"]
    require({value(one, "params", "seed") for one in whole} == {"0", "1", "2"}, "each seed has a run that finished")
    with forwarded("service/mlflow", 5000, NAMESPACE) as ask:
        for one in whole:
            require_whole(one, ask)
    say("three runs arrived, each with its model and Bundle; the killed pod's run is there too, as KILLED")


def amid_training() -> str:
    """Wait until a pod of the Job has trained some epochs; give its name."""
    running = "--selector app.kubernetes.io/name=mnist-api-training --field-selector status.phase=Running"

    def busy() -> list[str]:
        names = run(f"kubectl get pods {running} --output jsonpath={{.items[*].metadata.name}}").stdout
        return [name for name in names.split() if "Epoch 5/" in run(f"kubectl logs {name}").stdout]

    return wait_until(busy, "a pod trains", 300)[0]


def runs() -> list[dict[str, Any]]:
    """Every run that MLflow holds, the newest first."""
    with forwarded("service/mlflow", 5000, NAMESPACE) as ask:
        experiment = answer(ask, "GET", "experiments/get-by-name?experiment_name=mnist-api")["experiment"]
        wanted = {"experiment_ids": [experiment["experiment_id"]]}
        found: list[dict[str, Any]] = answer(ask, "POST", "runs/search", wanted)["runs"]
    return found


def answer(ask: Callable[..., tuple[int, str]], method: str, path: str, body: Any = None) -> Any:
    """What MLflow's REST interface answers."""
    status, text = ask(method, f"/api/2.0/mlflow/{path}", body)
    require(status == 200, f"MLflow answers {path} with {status}: {text[:300]}")
    return json.loads(text)


def statuses(found: list[dict[str, Any]]) -> list[str]:
    return [str(one["info"]["status"]) for one in found]


def value(one: dict[str, Any], kind: str, key: str) -> str:
    """A parameter or tag of a run."""
    return str(next(item["value"] for item in one["data"][kind] if item["key"] == key))


def require_whole(one: dict[str, Any], ask: Callable[..., tuple[int, str]]) -> None:
    """Require that a run's Bundle arrived as it was trained, and that its Keras model did."""
    path = one["info"]["artifact_uri"].removeprefix("mlflow-artifacts:")
    status, text = ask("GET", f"/api/2.0/mlflow-artifacts/artifacts{path}/bundle/manifest.json")
    require(status == 200, f"{path}/bundle/manifest.json: {status} {text[:300]}")
    require(json.loads(text)["model"]["sha256"] == value(one, "tags", "model_sha256"), "the Bundle is the run's")
    wanted = {
        "experiment_ids": [one["info"]["experiment_id"]],
        "filter": f"source_run_id = '{one['info']['run_id']}'",
    }
    models = answer(ask, "POST", "logged-models/search", wanted).get("models", [])
    require([model["info"]["status"] for model in models] == ["LOGGED_MODEL_READY"], f"models of the run: {models}")


def wrong_option() -> None:
    """Give up a seed whose options are wrong at once, and say why."""
    ended = run("make train-cluster SEEDS=1 TRAIN_IMAGE=mnist-api-training:e2e ARGS='--dataset letters'")
    require(ended.returncode != 0, "make train-cluster fails where a seed does")
    require("invalid choice: 'letters'" in ended.stdout, f"it says why: {ended.stdout[-1000:]}")
    require("1 failed" in ended.stdout and "2 failed" not in ended.stdout, f"it is not tried again: {ended.stdout}")
    say("a wrong option fails once, and is named")


def retrain() -> None:
    """Retrain by the chart's CronJob: the Gate passes a good model, which becomes challenger, and stops a poor one."""
    upgrade("--dataset, digits, --epochs, '30'")
    before = len(runs())
    start_retraining("good")
    kubectl("wait job/good --for=jsonpath={.status.ready}=1 --timeout 120s", NAMESPACE)
    require(len(endpoints()) == 1, f"the Service sends requests to its own pod alone: {endpoints()}")
    kubectl("wait job/good --for=condition=Complete --timeout 300s", NAMESPACE)
    found = runs()
    require(len(found) == before + 1 and set(statuses(found)) == {"FINISHED", "KILLED"}, f"runs: {statuses(found)}")
    passed = challenger()
    require(passed["run_id"] == found[0]["info"]["run_id"], f"the new run is the challenger: {passed}")
    say(f"the Gate passed, and version {passed['version']} is the challenger")
    upgrade("--dataset, digits, --epochs, '1', --learning-rate, '0.0002'")
    start_retraining("poor")
    kubectl("wait job/poor --for=condition=Failed --timeout 300s", NAMESPACE)
    printed = kubectl("logs job/poor --container retrain", NAMESPACE)
    job = json.loads(kubectl("get job poor --output json", NAMESPACE))
    require(job["status"]["failed"] == 1, f"the Gate's no is final: {job['status']}\n{printed[-2000:]}")
    require("FAILED by" in printed, f"the Gate's reasons are in the log: {printed[-2000:]}")
    require(challenger() == passed, "the challenger is the same")
    say("a poor model fails, once, with the Gate's reasons; the challenger stays")


def upgrade(options: str) -> None:
    """Install or upgrade the release, to retrain with these options."""
    values = f"""
replicaCount: 1
image: {{tag: e2e, pullPolicy: Never}}
retrain:
  enabled: true
  image: {{tag: e2e, pullPolicy: Never}}
  trackingUri: http://mlflow:5000
  args: [{options}]
"""
    command = f"{HELM} upgrade --install mnist helm/mnist-api --namespace {NAMESPACE} --values - --wait --timeout 120s"
    sh(command, values)


def start_retraining(name: str) -> None:
    kubectl(f"create job {name} --from=cronjob/{CRON_JOB}", NAMESPACE)


def endpoints() -> list[str]:
    """The addresses of the Service, ready or not."""
    slices = kubectl(f"get endpointslices --selector kubernetes.io/service-name={SERVICE} --output json", NAMESPACE)
    found = [one for item in json.loads(slices)["items"] for one in item["endpoints"] or []]
    return [str(address) for one in found for address in one["addresses"]]


def challenger() -> dict[str, Any]:
    """The registered version that is challenger."""
    with forwarded("service/mlflow", 5000, NAMESPACE) as ask:
        path = "registered-models/alias?name=mnist-api&alias=challenger"
        version: dict[str, Any] = answer(ask, "GET", path)["model_version"]
    return version


STEPS = (make_cluster, seeds, wrong_option, retrain)


if __name__ == "__main__":
    sys.exit(prove(STEPS, CLUSTER, NAMESPACE))
