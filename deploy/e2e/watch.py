"""What watches the release: a Prometheus in the cluster, as its operator would set it up, and the runbook."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tools import (
    CLUSTER,
    NAMESPACE,
    RELEASE,
    ROOT,
    SERVICE,
    apply,
    forwarded,
    forwarding,
    free_port,
    kubectl,
    pod,
    pods,
    require,
    run,
    say,
    settle,
    sh,
    upgrade,
    wait_until,
)

# Another image if this machine has no Prometheus of its own to build one from.
IMAGE = "prom/prometheus:v3.13.2"
GROUP = "monitoring.coreos.com"
COMMAND_TIMEOUT_S = 150


def prometheus() -> None:
    """Let a Prometheus find the pods by the ServiceMonitor, and evaluate the PrometheusRule."""
    for kind in ("ServiceMonitor", "PrometheusRule"):
        apply(stand_in(kind))
    switches = "serviceMonitor.enabled=true,prometheusRule.enabled=true,dashboards.enabled=true"
    upgrade(f"--set {switches},prometheusRule.runbookUrl=https://example.org/RUNBOOK.md")
    monitor, rules = (
        json.loads(kubectl(f"get {kind}.{GROUP} {SERVICE} --output json"))["spec"]
        for kind in ("servicemonitors", "prometheusrules")
    )
    settle()
    start_prometheus(configuration(monitor), rules)
    with asked() as ask:
        wait_until(lambda: ask("count(up == 1)") == len(pods()), "every pod is scraped", 90)
        answered = f'sum(mnist_http_requests_total{{namespace="{NAMESPACE}", job="{SERVICE}", route="/predict"}})'
        before = ask(answered)
        send_predictions(100)
        wait_until(lambda: ask(answered) == before + 100, "each of 100 predictions is counted", 30)
        require(ask("sum(mnist_workers)") == len(pods()), "one worker a pod")
        require(ask("count(count by (pod) (mnist_model_info))") == len(pods()), "the name of each pod")
        wait_until(lambda: ask(f'sum(mnist:predictions:increase1h{{job="{SERVICE}"}})') > 0, "a recorded rule", 60)
    say(
        f"{len(pods())} pods found through the ServiceMonitor; 100 requests sent, 100 counted over them; rules recorded"
    )


def stand_in(kind: str) -> dict[str, Any]:
    """A definition that lets the API server take an object of the Prometheus operator's, whatever is in it."""
    plural = f"{kind.lower()}s"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def configuration(monitor: dict[str, Any]) -> dict[str, Any]:
    """The scrape configuration that follows from a ServiceMonitor: its labels select Services, its port their pods'.

    Found here and not by Prometheus, for not every build of it can ask Kubernetes.
    """
    wanted = ",".join(f"{name}={value}" for name, value in monitor["selector"]["matchLabels"].items())
    port_name = monitor["endpoints"][0]["port"]
    targets = []
    for service in json.loads(kubectl(f"get services --selector {wanted} --output json"))["items"]:
        name = service["metadata"]["name"]
        slices = kubectl(f"get endpointslices --selector kubernetes.io/service-name={name} --output json")
        for found in json.loads(slices)["items"]:
            (port,) = (one["port"] for one in found["ports"] if one["name"] == port_name)
            targets += [
                {
                    "targets": [f"{endpoint['addresses'][0]}:{port}"],
                    "labels": {"namespace": NAMESPACE, "job": name, "pod": endpoint["targetRef"]["name"]},
                }
                for endpoint in found["endpoints"]
            ]
    return {
        "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
        "rule_files": ["/e2e/rules.json"],
        "scrape_configs": [{"job_name": "service-monitor", "static_configs": targets}],
    }


def start_prometheus(config: dict[str, Any], rules: dict[str, Any]) -> None:
    """Run Prometheus in the namespace that the chart's NetworkPolicy lets in."""
    image = make_image()
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {"prometheus.json": config, "rules.json": rules}.items():
            (Path(folder) / name).write_text(json.dumps(content))
        kubectl(f"create configmap prometheus --from-file {folder}", "monitoring")
    watching = pod("prometheus", "monitoring", [], "prometheus")
    watching["spec"]["containers"][0] |= {
        "image": image,
        "command": ["prometheus", "--config.file=/e2e/prometheus.json", "--storage.tsdb.path=/tmp/data"],
        "ports": [{"name": "web", "containerPort": 9090}],
    }
    apply(watching)
    kubectl("wait --for=condition=Ready pod/prometheus --timeout 120s", "monitoring")


def make_image() -> str:
    """Put an image with Prometheus on the nodes: made of this machine's, where it has one, or the public one."""
    binary = shutil.which("prometheus")
    if not binary:
        sh(f"docker pull {IMAGE}")
        sh(f"kind load docker-image --name {CLUSTER} {IMAGE}")
        return IMAGE
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(Path(binary).resolve(), folder)
        dockerfile = "FROM python:3.13-slim\nCOPY prometheus /usr/local/bin/prometheus\n"
        (Path(folder) / "Dockerfile").write_text(dockerfile)
        sh(f"docker build --quiet --tag prometheus:e2e {folder}")
    sh(f"kind load docker-image --name {CLUSTER} prometheus:e2e")
    return "prometheus:e2e"


@contextlib.contextmanager
def asked() -> Iterator[Any]:
    """Give a function from a query to its one number, or 0 if there is none."""
    with forwarded("pod/prometheus", 9090, "monitoring") as ask:

        def number(query: str) -> float:
            status, text = ask("GET", f"/api/v1/query?query={quote(query)}")
            require(status == 200, f"{query}: {text}")
            found = json.loads(text)["data"]["result"]
            return float(found[0]["value"][1]) if found else 0.0

        yield number


def send_predictions(count: int) -> None:
    """Send predictions through the Service, each on a connection of its own, from inside the cluster."""
    code = (
        "import http.client, sys\n"
        "def ask(method, path, body=None):\n"
        f"    connection = http.client.HTTPConnection('{SERVICE}.{NAMESPACE}', 80, timeout=10)\n"
        "    connection.request(method, path, body, {'Content-Type': 'application/json'})\n"
        "    answer = connection.getresponse()\n"
        "    assert answer.status == 200, answer.status\n"
        "    return answer.read()\n"
        "body = ask('GET', '/example')\n"
        f"for _ in range({count}): ask('POST', '/predict', body)\n"
    )
    apply(pod("caller", "load", ["-c", code]))
    kubectl("wait --for=jsonpath={.status.phase}=Succeeded pod/caller --timeout 60s", "load")
    kubectl("delete pod caller --wait", "load")


def runbook() -> None:
    """Run each command of the runbook as it stands, on a release that is well; it must stay well."""
    text = (ROOT / "deploy" / "RUNBOOK.md").read_text()
    setup, *blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.M | re.S)
    port = free_port()
    environment = {"NAMESPACE": NAMESPACE, "RELEASE": RELEASE, "PROMETHEUS": f"http://127.0.0.1:{port}"}
    forward = f"kubectl --namespace monitoring port-forward pod/prometheus {port}:9090"
    with forwarding(forward):
        for block in dict.fromkeys(blocks):
            settle()  # after what the block before replaced
            ended = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", setup + block],
                cwd=ROOT,
                env=os.environ | environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=COMMAND_TIMEOUT_S,
            )
            require(ended.returncode == 0, f"{block}\n{ended.stdout[-1500:]}{ended.stderr[-1500:]}")
    settle()
    run("kubectl delete namespace monitoring --wait=false")
    say(f"all {len(dict.fromkeys(blocks))} blocks of commands in the runbook work as they stand")
