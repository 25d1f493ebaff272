"""The bridge from Alertmanager to GitHub, as a process, with a stand-in for GitHub; and its files beside it."""

import re

import pytest
import yaml

from deploy.alertmanager import bridge
from tests.bridge import Bridge, GitHub, message
from tests.serving import ROOT

ALERTS_FILE = yaml.safe_load((ROOT / "helm" / "mnist-api" / "files" / "alerts.yaml").read_text())
ALERTS = {rule["alert"] for group in ALERTS_FILE["groups"] for rule in group["rules"] if "alert" in rule}
FOLDER = ROOT / "deploy" / "alertmanager"
MANIFESTS = {one["kind"]: one for one in yaml.safe_load_all((FOLDER / "bridge.yaml").read_text())}


@pytest.fixture
def github():
    with GitHub() as running:
        yield running


@pytest.fixture
def start(github, tmp_path):
    """Start a bridge to the stand-in, with options."""
    started = []

    def start(*options):
        started.append(Bridge(github.address, tmp_path, *options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def test_firing_drift_alert_becomes_an_event(start, github):
    status, said = start().post(message("MnistModelIntensityDrift", "MnistModelClassDrift"))
    assert (status, said) == (202, "GitHub was told of MnistModelClassDrift, MnistModelIntensityDrift\n")
    ((path, headers, event),) = github.received
    assert path == "/repos/owner/name/dispatches"
    assert headers["Authorization"] == "Bearer first"
    alerts = ["MnistModelClassDrift", "MnistModelIntensityDrift"]
    assert event == {"event_type": "drift", "client_payload": {"alerts": alerts}}


@pytest.mark.parametrize("alert", ["MnistApiDown", "$(curl evil)", ""])
def test_other_alerts_stay_here(start, github, alert):
    assert start().post(message(alert)) == (200, "no drift alert fires\n")
    assert github.received == []


def test_resolved_alert_is_no_news(start, github):
    assert start().post(message("MnistModelClassDrift", status="resolved"))[0] == 200
    assert github.received == []


def test_github_is_told_once_a_day(start, github):
    running = start()
    assert running.post(message("MnistModelClassDrift"))[0] == 202
    assert running.post(message("MnistModelConfidenceDrop")) == (200, "GitHub was told recently\n")
    assert len(github.received) == 1


def test_what_github_refused_may_be_tried_again_with_a_new_token(start, github):
    """502 makes Alertmanager try again; neither the answer nor the log has the token."""
    running = start()
    github.answers = [401]
    status, said = running.post(message("MnistModelClassDrift"))
    assert status == 502
    assert said == f"GitHub answers 401 to {github.address}/repos/owner/name/dispatches\n"
    running.token_file.write_text("second\n")
    assert running.post(message("MnistModelClassDrift"))[0] == 202
    assert [headers["Authorization"] for _, headers, _ in github.received] == ["Bearer first", "Bearer second"]
    assert not re.search("first|second", running.stop())


@pytest.mark.parametrize("status", [200, 301, 302, 307])
def test_another_answer_than_githubs_yes_is_a_refusal(start, github, status):
    """GitHub says 204. A redirect would carry the token elsewhere, and what answers 200 took no event."""
    github.answers = [status]
    said = start().post(message("MnistModelClassDrift"))
    assert said == (502, f"GitHub answers {status} to {github.address}/repos/owner/name/dispatches\n")
    assert [path for path, _, _ in github.received] == ["/repos/owner/name/dispatches"]


@pytest.mark.parametrize("token", ["secret\nsecret too", "secret\tsecret", "", "secr\u00e9t", "\x00secret"])
def test_file_that_holds_no_token_is_not_quoted(start, github, token):
    running = start()
    running.token_file.write_text(token)
    status, said = running.post(message("MnistModelClassDrift"))
    assert (status, "does not hold one word" in said) == (502, True)
    assert "secr" not in said + running.stop()
    assert github.received == []


def test_token_that_is_gone_is_502(start):
    running = start()
    running.token_file.unlink()
    status, said = running.post(message("MnistModelClassDrift"))
    assert (status, "cannot be read: No such file" in said) == (502, True)


def test_github_that_is_away_is_502(start):
    running = start("--github=http://127.0.0.1:9")
    status, said = running.post(message("MnistModelClassDrift"))
    assert status == 502
    assert "cannot be asked" in said


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"alerts": 1}', b'{"alerts": [{"status": "firing"}]}', b"\xff", b"[" * 100_000]
)
def test_other_messages_are_400(start, github, body):
    status, said = start().post(body)
    assert status == 400
    assert said.startswith("not a message of Alertmanager's webhook")
    assert github.received == []


def test_large_message_is_refused_unread(start):
    assert start().post(b"", {"Content-Length": "100000000"})[0] == 413


def test_health_answers_and_other_paths_do_not(start):
    running = start()
    assert running.ask("GET", "/health")[0] == 200
    assert running.ask("GET", "/alerts")[0] == 404
    assert running.ask("POST", "/health")[0] == 404


def test_drift_alerts_are_alerts_that_there_are():
    assert {name for name in ALERTS if re.fullmatch(r"MnistModel\w+Dr(ift|op)", name)} == bridge.DRIFT
    assert len(bridge.DRIFT) == 4


def test_alertmanager_sends_these_alerts_to_the_bridges_service():
    config = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())
    (route,) = [one for one in config["route"]["routes"] if one["receiver"] == "retrain"]
    (matcher,) = route["matchers"]
    pattern = re.fullmatch(r'alertname =~ "(.*)"', matcher)[1]
    assert {name for name in ALERTS if re.fullmatch(pattern, name)} == bridge.DRIFT
    (receiver,) = [one for one in config["receivers"] if one["name"] == "retrain"]
    (webhook,) = receiver["webhook_configs"]
    service = MANIFESTS["Service"]
    assert webhook["url"] == f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}/alerts"


def test_pod_is_restricted_and_starts_what_is_there():
    pod = MANIFESTS["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    assert {"/bridge", "/token"} == mounts
    assert container["command"][:3] == ["python", "-u", "/bridge/bridge.py"]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "retrain.yml").read_text())
    assert workflow[True]["repository_dispatch"]["types"] == [bridge.EVENT]
