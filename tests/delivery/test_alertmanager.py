"""A real Alertmanager with the configuration that is documented: a firing drift alert reaches GitHub by the bridge."""

import json
import subprocess
from datetime import UTC, datetime

import pytest
import yaml

from tests.bridge import Bridge, GitHub
from tests.delivery.conftest import listening
from tests.serving import ROOT, START_TIMEOUT_S, free_port

CONFIG = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"


@pytest.fixture
def alertmanager(tmp_path):
    """Alertmanager with the documented configuration, the bridge's address put in and no wait for more alerts."""
    with GitHub() as github:
        bridge, port = Bridge(github.address, tmp_path), free_port()
        config = yaml.safe_load(
            CONFIG.read_text().replace("http://mnist-bridge:9095", f"http://127.0.0.1:{bridge.port}")
        )
        config["route"]["group_wait"] = "1ms"
        (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(config))
        command = [
            "prometheus-alertmanager",
            f"--config.file={tmp_path / 'alertmanager.yml'}",
            "--cluster.listen-address=",
        ]
        command += [f"--storage.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
        with listening(command, port):
            yield f"http://127.0.0.1:{port}", github, bridge
        bridge.stop()


def fire(address, alert):
    """As Prometheus does."""
    body = json.dumps([{"labels": {"alertname": alert, "namespace": "a"}, "startsAt": datetime.now(UTC).isoformat()}])
    command = ["curl", "--silent", "--fail", f"{address}/api/v2/alerts", "--json", body]
    subprocess.run(command, check=True, capture_output=True)


def test_documented_configuration_is_alertmanagers():
    subprocess.run(["amtool", "check-config", str(CONFIG)], check=True, capture_output=True)


def test_drift_alert_reaches_github_and_others_do_not(alertmanager):
    address, github, bridge = alertmanager
    fire(address, "MnistApiErrorsPage")
    fire(address, "MnistModelClassDrift")
    assert github.arrived.acquire(timeout=START_TIMEOUT_S)
    assert [event for _, _, event in github.received] == [
        {"event_type": "drift", "client_payload": {"alerts": ["MnistModelClassDrift"]}}
    ]
    assert "ErrorsPage" not in bridge.stop()


def test_alertmanager_tries_again_what_github_refused(alertmanager):
    address, github, bridge = alertmanager
    github.answers = [503]
    fire(address, "MnistModelConfidenceDrop")
    assert all(github.arrived.acquire(timeout=START_TIMEOUT_S) for _ in range(2))
    assert "502 GitHub answers 503" in bridge.stop()
