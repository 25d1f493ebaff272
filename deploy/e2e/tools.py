"""What each step of the end-to-end test is made of: commands, pods, port-forwards, and the load that never stops."""

import contextlib
import http.client
import json
import os
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parent.parent.parent
HELM, HELM3 = os.environ.get("HELM", "helm"), os.environ.get("HELM3", "helm3")
CLUSTER = "mnist-e2e"
NAMESPACE, RELEASE, SERVICE = "e2e", "mnist", "mnist-mnist-api"
BASE = f"{RELEASE} helm/mnist-api --values deploy/values/kind.yaml --set image.tag=e2e"

Found = TypeVar("Found")


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PORT = free_port()  # for port-forwards, one at a time


class Failed(Exception):
    """A promise does not hold; the message says which."""


def require(holds: bool, message: str) -> None:
    if not holds:
        raise Failed(message)


def say(text: str) -> None:
    print(f"  {text}", flush=True)


def run(command: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command, written as in a shell, in the repository's root."""
    out = subprocess.PIPE
    return subprocess.run(
        shlex.split(command),
        cwd=ROOT,
        input=given,
        text=True,
        stdout=out,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=300,
    )


def sh(command: str, given: str = "") -> str:
    """Run a command that must succeed; give what it printed."""
    ended = run(command, given)
    require(ended.returncode == 0, f"{command[:300]}\n{ended.stdout[-3000:]}")
    return ended.stdout


def fails(command: str) -> None:
    """Run a command that must fail."""
    require(run(command).returncode != 0, f"this should have failed: {command[:300]}")


def kubectl(command: str, namespace: str = NAMESPACE, given: str = "") -> str:
    return sh(f"kubectl --namespace {namespace} {command}", given)


def apply(*manifests: dict[str, Any]) -> None:
    sh("kubectl apply --filename -", "\n---\n".join(map(json.dumps, manifests)))


def upgrade(values: str = "", helm: str = HELM, namespace: str = NAMESPACE) -> None:
    """Upgrade the release to the base values and these, and wait for it."""
    sh(f"{helm} upgrade {BASE} {values} --namespace {namespace} --wait --timeout 120s")


def wait_until(find: Callable[[], Found], what: str, timeout_s: float = 120) -> Found:
    """Look each second until something holds, or is found, and give it. Raises Failed after the timeout."""
    until = time.monotonic() + timeout_s
    while not (found := find()):
        require(time.monotonic() < until, f"after {timeout_s:.0f} s still not: {what}")
        time.sleep(1)
    return found


def pods(namespace: str = NAMESPACE) -> list[dict[str, Any]]:
    """The release's pods that are not on their way out."""
    return [pod for pod in all_pods(namespace) if "deletionTimestamp" not in pod["metadata"]]


def all_pods(namespace: str = NAMESPACE) -> list[dict[str, Any]]:
    """The release's pods, those on their way out with them."""
    selector = f"app.kubernetes.io/name=mnist-api,app.kubernetes.io/instance={RELEASE}"
    return json.loads(kubectl(f"get pods --selector {selector} --output json", namespace))["items"]


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def settle() -> None:
    """Wait until every pod of the release is ready, and none is on its way out.

    kubectl fails, or takes the wrong pod, where one goes while it looks for it.
    """

    def is_settled() -> bool:
        found = all_pods()
        return bool(found) and all(is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in found)

    wait_until(is_settled, "every pod is ready, and none is on its way out")


def phase_at_end(name: str, namespace: str, timeout_s: float = 60) -> str:
    """Wait for the end of a pod; give its phase, Succeeded or Failed."""

    def phase() -> str:
        now = kubectl(f"get pod {name} --output jsonpath={{.status.phase}}", namespace)
        return now if now in {"Succeeded", "Failed"} else ""

    return wait_until(phase, f"the end of pod {name}", timeout_s)


@contextlib.contextmanager
def forwarded(target: str, port: int, namespace: str = NAMESPACE) -> Iterator[Callable[..., tuple[int, str]]]:
    """Forward a port, and give a function that asks: method, path and JSON body in, status and text out."""
    with forwarding(f"kubectl --namespace {namespace} port-forward {target} {PORT}:{port}"):

        def ask(method: str, path: str, body: Any = None) -> tuple[int, str]:
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

        yield ask


@contextlib.contextmanager
def forwarding(command: str) -> Iterator[None]:
    """Keep a `kubectl port-forward` running, from when it takes connections."""
    out = subprocess.PIPE
    with subprocess.Popen(shlex.split(command), stdout=out, stderr=subprocess.STDOUT, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        try:
            require("Forwarding" in line, f"{command}: {line}")
            yield
        finally:
            process.terminate()


def pod(name: str, namespace: str, command: list[str], files: str = "") -> dict[str, Any]:
    """A restricted pod of the serving image that runs Python; `files` names a ConfigMap that it finds in /e2e."""
    mounts = [{"name": "tmp", "mountPath": "/tmp"}] + ([{"name": "files", "mountPath": "/e2e"}] if files else [])
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}]
    volumes += [{"name": "files", "configMap": {"name": files}}] if files else []
    container = {
        "name": "main",
        "image": "mnist-api:e2e",
        "imagePullPolicy": "Never",
        "command": ["python", *command],
        "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    spec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        # Away from the nodes that are drained.
        "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
        "tolerations": [{"operator": "Exists"}],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": volumes,
        "containers": [container],
    }
    metadata = {"name": name, "namespace": namespace, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def write_claim(name: str, namespace: str, storage: str, code: str) -> None:
    """Make a PersistentVolumeClaim, and run Python code in a pod that has it in /claim.

    As root: a folder of the node takes no notice of a pod's fsGroup.
    """
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}
    metadata = {"name": name, "namespace": namespace}
    apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": claim})
    writer = pod("writer", namespace, ["-c", code])
    writer["spec"]["securityContext"] = {"runAsUser": 0}
    writer["spec"]["volumes"].append({"name": "claim", "persistentVolumeClaim": {"claimName": name}})
    (container,) = writer["spec"]["containers"]
    container["securityContext"] = {}
    container["volumeMounts"].append({"name": "claim", "mountPath": "/claim"})
    apply(writer)
    require(phase_at_end("writer", namespace) == "Succeeded", f"the claim {name} was written to")
    kubectl("delete pod writer --wait", namespace)


def start_load(requests_a_second: int) -> None:
    """Start load.py, in place of the load that may be running."""
    stop_load()
    apply(pod("load", "load", ["/e2e/load.py", f"{SERVICE}.{NAMESPACE}", "80", "8", str(requests_a_second)], "e2e"))
    kubectl("wait --for=condition=Ready pod/load --timeout 60s", "load")
    wait_until(lambda: load_totals()[0] > 100, "the load's first answers", 30)


def stop_load() -> None:
    kubectl("delete pod load --ignore-not-found --wait", "load")


def load_totals() -> tuple[int, int, str]:
    """Requests answered and failed since the load began, and its last errors.

    Waits for the first totals, and for kubectl where it fails for a moment: to take none for zeros would hide failures.
    """

    def said() -> Any:
        with contextlib.suppress(ValueError):
            return json.loads(run("kubectl --namespace load exec load -- cat /tmp/totals.json").stdout)
        return None

    totals = wait_until(said, "the load says its totals", 30)
    kept, new = totals["kept"], totals["new"]
    return kept["ok"] + new["ok"], kept["failed"] + new["failed"], "\n".join(totals["errors"])


@contextlib.contextmanager
def no_request_fails(what: str) -> Iterator[None]:
    """Require that of the requests sent during the block, and a little longer, none fails."""
    before, failed_before, _ = load_totals()
    yield
    now = load_totals()[0]
    wait_until(lambda: load_totals()[0] >= now + 250, f"250 more requests after: {what}", 60)
    answered, failed, errors = load_totals()
    require(
        failed == failed_before, f"{failed - failed_before} of {answered - before} requests failed: {what}\n{errors}"
    )
    say(f"{what}: {answered - before} requests, 0 failed")


def require_restored(namespace: str) -> None:
    """Require that the good image is back, and all pods ready."""

    def restored() -> bool:
        found = pods(namespace)
        return all(map(is_ready, found)) and {one["spec"]["containers"][0]["image"] for one in found} == {
            "mnist-api:e2e"
        }

    wait_until(restored, "the good release is back", 60)
