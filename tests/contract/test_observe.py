"""`make observe` and `make observe-local`: their files fit together, and what is started is stopped."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import closing

import pytest
import yaml

from app.config import Settings
from deploy.grafana import alerts
from tests.serving import ROOT, START_TIMEOUT_S, free_port, serving_environment

COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
PROMETHEUS = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())
PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"
(SCRAPE,) = PROMETHEUS["scrape_configs"]
# Stands in for Prometheus: answers at its address, and shows the configuration that it was given.
STAND_IN = """#!{python}
import sys
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
given = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
class Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(open(given["config.file"], "rb").read())
        if self.path == "/end":
            sys.exit(3)
host, _, port = given["web.listen-address"].partition(":")
HTTPServer((host, int(port)), Handler).serve_forever()
"""


def mounts(service):
    """The repository's file or folder by the path in the container."""
    pairs = (volume.split(":") for volume in COMPOSE[service].get("volumes", []))
    for source, target, mode in pairs:
        assert mode == "ro"
        yield target, (ROOT / "deploy" / source).resolve(strict=True)


def test_containers_are_pinned_restricted_and_on_loopback():
    assert COMPOSE.keys() == {"api", "prometheus", "grafana"}
    for name, service in COMPOSE.items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert name == "api" or re.fullmatch(r"\w+/\w+:v?\d+\.\d+\.\d+", service["image"])


def test_containers_find_what_they_are_told_to_read():
    seen = dict(mounts("prometheus"))
    (config,) = (word.partition("=")[2] for word in COMPOSE["prometheus"]["command"] if word.startswith("--config"))
    assert seen[config] == ROOT / "deploy" / "prometheus.yml"
    (rules,) = PROMETHEUS["rule_files"]
    inside = os.path.normpath(os.path.join(os.path.dirname(config), rules))  # noqa: PTH118, PTH120
    assert seen[os.path.dirname(inside)] / "alerts.yaml" == alerts.RULES  # noqa: PTH120
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "mnist-api.yaml").read_text())["providers"]
    seen = dict(mounts("grafana"))
    assert seen[provider["options"]["path"]] == alerts.RULES.parent / "dashboards"
    for folder in ("dashboards", "datasources"):
        assert seen[f"/etc/grafana/provisioning/{folder}"] == PROVISIONING / folder
    home = COMPOSE["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (seen[os.path.dirname(home)] / os.path.basename(home)).exists()  # noqa: PTH119, PTH120


def test_prometheus_scrapes_the_job_of_the_rules_where_it_is():
    assert f'job="{SCRAPE["job_name"]}"' in alerts.expression("MnistApiAbsent")
    assert SCRAPE["static_configs"] == [{"targets": [f"api:{Settings().metrics_port}"]}]


def test_grafana_knows_how_often_prometheus_scrapes():
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]
    assert source["url"] == "http://prometheus:9090"


class Observed:
    """`deploy.observe` on free ports, with a stand-in for Prometheus, up to the line that says how to stop it."""

    def __init__(self, folder):
        self.port, self.prometheus_port = free_port(), free_port()
        (folder / "prometheus").write_text(STAND_IN.format(python=sys.executable))
        (folder / "prometheus").chmod(0o755)
        self.folder = folder / "data"
        self.folder.mkdir()
        environment = serving_environment(port=self.port, metrics_port=free_port()) | {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "TMPDIR": str(self.folder),
        }
        command = [sys.executable, "-m", "deploy.observe", f"--prometheus-port={self.prometheus_port}"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.said = next((line for line in self.process.stdout if line.startswith("Ctrl-C stops both")), "")

    def prometheus(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.prometheus_port}{path}", timeout=5) as answer:
            return answer.read().decode()

    def ended(self):
        """What it said since, and its exit status, once all is gone."""
        said, _ = self.process.communicate(timeout=START_TIMEOUT_S)
        assert list(self.folder.iterdir()) == []
        for port in (self.port, self.prometheus_port):
            with closing(socket.socket()) as probe:
                assert probe.connect_ex(("127.0.0.1", port)) != 0
        return said, self.process.returncode


@pytest.fixture
def observed(tmp_path):
    running = Observed(tmp_path)
    yield running
    running.process.terminate()
    running.process.wait(START_TIMEOUT_S)
    running.process.stdout.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_stops_both(observed, how):
    assert observed.said
    config = yaml.safe_load(observed.prometheus("/"))
    assert config["rule_files"] == [str(alerts.RULES)]
    observed.process.send_signal(how)
    said, status = observed.ended()
    assert "Both have stopped." in said
    assert status == 0


def test_if_one_ends_the_other_is_stopped(observed):
    observed.prometheus("/end")
    said, status = observed.ended()
    assert "Prometheus ended by itself" in said
    assert status == 1


@pytest.mark.parametrize("setting", ["MNIST_PORT", "MNIST_METRICS_PORT", "ARGS=--prometheus-port"])
def test_port_that_is_taken_is_one_message(setting):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        ports = {"MNIST_PORT": free_port(), "MNIST_METRICS_PORT": free_port(), "ARGS=--prometheus-port": free_port()}
        ports[setting] = port
        last = ports.pop("ARGS=--prometheus-port")
        environment = serving_environment() | {name: str(number) for name, number in ports.items()}
        command = [sys.executable, "-m", "deploy.observe", f"--prometheus-port={last}"]
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"Port {port} cannot be used: Address already in use. Choose another: make observe-local {setting}=PORT\n"
    )
