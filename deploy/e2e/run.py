"""The end-to-end test: what the chart promises, proven on a real cluster of three nodes. `make e2e` runs it.

Needs docker, kind, kubectl and helm; HELM3 and METRICS_SERVER (a manifest) where there are any. Standard library
only. Makes a cluster of its own, and deletes it at the end unless KEEP is set.
"""

import os
import sys

import limits
import models
import release
import watch
from proof import prove
from tools import CLUSTER, NAMESPACE, kubectl, sh

IMAGE = os.environ.get("IMAGE", "mnist-api")
NODE_IMAGE = os.environ.get("NODE_IMAGE", "")


def make_cluster() -> None:
    """Make a cluster of three nodes with the image, one with a spoilt Bundle, and a claim that holds a Bundle."""
    node = f"--image {NODE_IMAGE}" if NODE_IMAGE else ""
    sh(f"kind create cluster --name {CLUSTER} --config deploy/kind.yaml --wait 120s {node}")
    sh(f"docker tag {IMAGE} mnist-api:e2e")
    spoilt = "FROM mnist-api:e2e\nUSER 0\nRUN printf x >>/srv/deploy/model/model.tflite\nUSER 65532:65532\n"
    sh("docker build --quiet --tag mnist-api:e2e-spoilt -", spoilt)
    sh(f"kind load docker-image --name {CLUSTER} mnist-api:e2e mnist-api:e2e-spoilt")
    namespaces = (NAMESPACE, "e2e-helm3", "load", "monitoring", "stranger")
    for name in namespaces:
        sh(f"kubectl create namespace {name}")
    models.fill_claim()
    for name in namespaces:
        sh(f"kubectl label namespace {name} pod-security.kubernetes.io/enforce=restricted")
    kubectl("create configmap e2e --from-file deploy/e2e/load.py --from-file deploy/e2e/flood.py", "load")
    if limits.METRICS_SERVER:
        sh(f"kubectl apply --filename {limits.METRICS_SERVER}")


STEPS = (
    make_cluster,
    release.install,
    release.under_load,
    release.broken_releases,
    models.models,
    limits.network_policy,
    limits.autoscaling,
    limits.memory,
    watch.prometheus,
    watch.runbook,
    release.uninstall,
)


if __name__ == "__main__":
    sys.exit(prove(STEPS, CLUSTER, NAMESPACE))
