"""What the pods are kept to: who may connect, how many there are, how much memory they take."""

import json
import os
from typing import Any

from tools import (
    NAMESPACE,
    SERVICE,
    apply,
    kubectl,
    phase_at_end,
    pod,
    pods,
    require,
    say,
    start_load,
    stop_load,
    upgrade,
    wait_until,
)

METRICS_SERVER = os.environ.get("METRICS_SERVER", "")
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"


def connects(namespace: str, port: int) -> bool:
    """Whether a new pod of a namespace can connect to the Service."""
    apply(pod("probe", namespace, ["-c", CONNECT, f"{SERVICE}.{NAMESPACE}", str(port)]))
    connected = phase_at_end("probe", namespace) == "Succeeded"
    kubectl("delete pod probe --wait", namespace)
    return connected


def network_policy() -> None:
    """Keep out who is not allowed, from the API and from the metrics."""
    allowed = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "load"}}}]
    upgrade(f"--set-json 'networkPolicy.from={json.dumps(allowed)}'")
    # Whatever enforces the policy learns of a new pod's address a moment later than the pod itself.
    wait_until(lambda: connects("load", 80), "a pod that is allowed connects")
    if connects("stranger", 80):
        # Is it the chart's policy, or does this cluster enforce none? A plain one that denies all tells.
        kubectl(f"delete networkpolicy {SERVICE}")
        policy: dict[str, Any] = {"podSelector": {}, "policyTypes": ["Ingress"]}
        metadata = {"name": "deny", "namespace": NAMESPACE}
        apply({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": policy})
        require(connects("stranger", 80), "the chart's policy lets a stranger in, and a plain one would not")
        kubectl("delete networkpolicy deny")
        say("not shown: this cluster does not enforce NetworkPolicies")
    else:
        require(not connects("load", 9464), "the metrics are for the monitoring namespace alone")
        say("an allowed pod connects, a stranger does not; the metrics are closed to both")
    upgrade()


def autoscaling() -> None:
    """Add pods under load, and take them away after it."""
    if not METRICS_SERVER:
        say("not run: METRICS_SERVER names no manifest, so nothing measures CPU here")
        return
    quick = "autoscaling.scaleDownStabilizationSeconds=0,autoscaling.scaleDownPeriodSeconds=15"
    stop_load()
    upgrade(f"--set autoscaling.enabled=true,autoscaling.maxReplicas=3,{quick}")
    start_load(100_000)
    wait_until(lambda: len(pods()) == 3, "the autoscaler adds a pod under load", 240)
    stop_load()
    wait_until(lambda: len(pods()) == 2, "the autoscaler takes the pod away", 240)
    say("2 pods, 3 under load, 2 after it")
    upgrade()


def memory() -> None:
    """Flood with the largest batches: no pod is killed for memory."""
    stop_load()
    apply(pod("flood", "load", ["/e2e/flood.py", f"{SERVICE}.{NAMESPACE}", "80", "200", "15"], "e2e"))
    require(phase_at_end("flood", "load", 120) == "Succeeded", "the flood ended")
    answers = json.loads(kubectl("logs flood", "load"))
    restarts = [status["restartCount"] for one in pods() for status in one["status"]["containerStatuses"]]
    require(sum(restarts) == 0, f"pods were restarted: {restarts}; answers: {answers}")
    require(answers.get("200", 0) > 0 and "broken" not in answers, f"answers: {answers}")
    say(f"200 connections, {answers.pop('body_bytes'):,} bytes a batch, 15 s: answers {answers}, no pod restarted")
