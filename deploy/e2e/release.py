"""The life of a release: install, upgrade, roll back, break, uninstall. Raises Failed where a promise breaks."""

import gzip
import json
import re
import shlex
import shutil

from tools import (
    BASE,
    HELM,
    HELM3,
    NAMESPACE,
    PORT,
    RELEASE,
    ROOT,
    SERVICE,
    fails,
    forwarded,
    forwarding,
    is_ready,
    kubectl,
    load_totals,
    no_request_fails,
    pods,
    require,
    require_restored,
    say,
    sh,
    start_load,
    upgrade,
    wait_until,
)

REQUESTS_WANTED = 20_000
NOT_BUILT_IN = {"HTTPRoute", "ServiceMonitor", "PrometheusRule"}


def install() -> None:
    """Install; the notes' commands; the original's three endpoints; 100 real images; each pod's metrics."""
    image_volume = "--set model.source=image,model.image.reference=registry.example.org/bundle:1"
    for values in ("", "--values helm/mnist-api/ci/full-values.yaml", image_volume):
        rendered = sh(
            f"{HELM} template {RELEASE} helm/mnist-api --namespace {NAMESPACE} --kube-version 1.35.0 {values}"
        )
        parts = [
            part for part in rendered.split("\n---") if not NOT_BUILT_IN & set(re.findall(r"^kind: (\w+)", part, re.M))
        ]
        kubectl("apply --filename - --dry-run=server", given="\n---".join(parts))
    say("the API server takes the default, the full and the image volume rendering (dry run)")
    sh(f"{HELM} install {BASE} --namespace {NAMESPACE} --wait --timeout 120s")
    say(f"installed in a namespace that enforces restricted pods: {len(pods())} pods")
    run_notes()
    say("the commands of the release's notes work as they stand, helm test among them")
    images = gzip.decompress((ROOT / "tests/fixtures/mnist100-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((ROOT / "tests/fixtures/mnist100-labels-idx1-ubyte.gz").read_bytes())[8:]
    with forwarded(f"service/{SERVICE}", 80) as ask:
        require(json.loads(ask("GET", "/")[1])["status"] == "running", "GET /")
        require(json.loads(ask("GET", "/health")[1]) == {"status": "healthy", "model_loaded": True}, "GET /health")
        right = 0
        for index, label in enumerate(labels):
            image = [byte / 255 for byte in images[index * 784 : (index + 1) * 784]]
            status, text = ask("POST", "/predict", {"image": image})
            require(status == 200, f"POST /predict: {status} {text}")
            right += json.loads(text)["prediction"] == label
    # Not all 100: the champion is right on 99 of 100 test images in general.
    require(right >= 97, f"only {right} of 100 test images were read right")
    say(f"/, /health and /predict answer; {right} of 100 test images were read right")
    for one in pods():
        with forwarded(f"pod/{one['metadata']['name']}", 9464) as ask:
            require("mnist_model_info{" in ask("GET", "/metrics")[1], "a pod's metrics")
    say("each pod's metrics were scraped")


def run_notes() -> None:
    """Run every command that the release's notes print, ports 5000 and 9464 exchanged for one that is free here."""
    notes = sh(f"{HELM} get notes {RELEASE} --namespace {NAMESPACE}")
    commands = [
        re.sub(r"\b(5000|9464)(?=:\d|/)", str(PORT), line.strip()) for line in notes.splitlines() if line[:2] == "  "
    ]
    forward_api, ask_api, forward_metrics, ask_metrics, *others = commands
    for forward, ask in ((forward_api, ask_api), (forward_metrics, ask_metrics)):
        with forwarding(forward):
            require(len(sh(f"bash -c {quoted(ask)}")) > 50, ask)
    require(len(others) == 2, f"commands in the notes: {commands}")
    for command in others:
        sh(command)


def quoted(command: str) -> str:
    """A command for `bash -c` that fails if any part of it does."""
    return shlex.quote(f"set -o pipefail; {command}")


def under_load() -> None:
    """Upgrade, roll back, delete a pod, drain a node, scale: not one request fails."""
    start_load(320)
    with no_request_fails("rolling upgrade"):
        upgrade("--set podAnnotations.release=two")
    with no_request_fails("rollback"):
        sh(f"{HELM} rollback {RELEASE} --namespace {NAMESPACE} --wait --timeout 120s")
    with no_request_fails("deletion of a pod"):
        kubectl(f"delete pod {pods()[0]['metadata']['name']}")
        kubectl(f"rollout status deployment/{SERVICE} --timeout 60s")
    with no_request_fails("drain of a node"):
        node = pods()[0]["spec"]["nodeName"]
        sh(f"kubectl drain {node} --ignore-daemonsets --delete-emptydir-data --timeout 90s")
        kubectl(f"rollout status deployment/{SERVICE} --timeout 60s")
        sh(f"kubectl uncordon {node}")
    with no_request_fails("scaling up to 4"):
        upgrade("--set replicaCount=4")
    with no_request_fails("scaling down to 2"):
        upgrade()
        wait_until(lambda: len(pods()) == 2, "two pods")


def broken_releases() -> None:
    """Release a wrong setting, a spoilt Bundle, a missing image: the rollout halts, the old pods answer."""
    broken = f"{HELM} upgrade {BASE} --namespace {NAMESPACE} --wait --timeout 15s"
    revision = json.loads(sh(f"{HELM} history {RELEASE} --namespace {NAMESPACE} --output json"))[-1]["revision"]
    with no_request_fails("a wrong setting (halts; rolled back by hand)"):
        fails(f"{broken} --set extraEnv[0].name=MNIST_WOKERS,extraEnv[0].value=2")
        require(sum(map(is_ready, pods())) == 2, "both old pods are ready")
        sh(f"{HELM} rollback {RELEASE} {revision} --namespace {NAMESPACE} --wait --timeout 60s")
    for what, tag in {"a spoilt Bundle": "e2e-spoilt", "a missing image": "none"}.items():
        with no_request_fails(f"{what} (Helm 4 rolls back by itself)"):
            fails(f"{broken} --set image.tag={tag} --rollback-on-failure")
            require_restored(NAMESPACE)
    if shutil.which(HELM3):
        with_helm3("e2e-helm3")
    else:
        say(f"not run: the same with Helm 3, for {HELM3} is not here")
    answered = load_totals()[0]
    require(answered >= REQUESTS_WANTED, f"{answered} requests were sent over these steps, not {REQUESTS_WANTED}")
    say(f"{answered} requests over all of these, 0 failed")


def with_helm3(namespace: str) -> None:
    """Install, test, upgrade, break and uninstall with Helm 3."""
    sh(f"{HELM3} install {BASE} --set replicaCount=1 --namespace {namespace} --wait --timeout 60s")
    sh(f"{HELM3} test {RELEASE} --namespace {namespace}")
    upgrade("--set autoscaling.enabled=true,autoscaling.minReplicas=1", HELM3, namespace)
    upgrade("--set replicaCount=1", HELM3, namespace)
    for tag in ("e2e-spoilt", "none"):
        values = f"--set replicaCount=1,image.tag={tag}"
        fails(f"{HELM3} upgrade {BASE} {values} --namespace {namespace} --atomic --timeout 15s")
        require_restored(namespace)
    sh(f"{HELM3} uninstall {RELEASE} --namespace {namespace} --wait")
    say("Helm 3: installs, tests, upgrades, and rolls a spoilt Bundle and a missing image back by itself")


def uninstall() -> None:
    """Leave nothing of the release behind."""
    sh(f"{HELM} uninstall {RELEASE} --namespace {NAMESPACE} --wait --timeout 90s")
    kinds = "all,configmap,secret,serviceaccount,networkpolicy,poddisruptionbudget,horizontalpodautoscaler,ingress"
    left = f"get {kinds} --selector app.kubernetes.io/instance={RELEASE}"
    wait_until(lambda: "No resources found" in kubectl(left), "nothing is left", 60)
    say("nothing left")
