"""The service and a Prometheus that watches it, both on free ports of 127.0.0.1, an hour of whose rules is a minute."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
ALERTS = ROOT / "helm" / "mnist-api" / "files" / "alerts.yaml"
FASTER = 60
START_TIMEOUT_S = 30
ANSWER_TIMEOUT_S = 10
STOP_TIMEOUT_S = 30
UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Failed(Exception):
    """What was to be shown did not happen; the message says what."""


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(port: int, method: str, path: str, body: str | None = None) -> Any:
    """Send one request and give the parsed answer. Raises Failed if there is none, or it is not 200."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)) as connection:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"{method} {path}: no answer: {error}") from error
    if answer.status != 200:
        raise Failed(f"{method} {path}: {answer.status} {text[:300]}")
    return json.loads(text) if "json" in answer.headers["Content-Type"] else text


def hurried(rules: Mapping[str, Any]) -> dict[str, Any]:
    """The rules with every duration, in [brackets] or in `for`, divided by 60; names that hold one stay as they are."""
    groups = [group | {"rules": [_hurried_rule(rule) for rule in group["rules"]]} for group in rules["groups"]]
    return {**rules, "groups": groups}


def _hurried_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    changed = {**rule, "expr": re.sub(r"\[[^]]*\]", lambda found: _divided(found[0]), rule["expr"])}
    return changed | {"for": _divided(rule["for"])} if "for" in rule else changed


def _divided(text: str) -> str:
    return re.sub(r"(\d+)([smhd])", lambda found: f"{int(found[1]) * UNIT_MS[found[2]] // FASTER}ms", text)


@contextmanager
def service() -> Iterator[tuple[int, int]]:
    """Run the service with the champion; give its port and that of its metrics."""
    port, metrics_port = free_port(), free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MNIST_", "PROMETHEUS_"))}
    environment |= {"MNIST_PORT": str(port), "MNIST_METRICS_PORT": str(metrics_port), "MNIST_LOG_LEVEL": "warning"}
    with _running([sys.executable, "-m", "gunicorn", "-c", "app/gunicorn.conf.py"], port, "/health/ready", environment):
        yield port, metrics_port


@contextmanager
def prometheus(metrics_port: int, folder: Path) -> Iterator[int]:
    """Run Prometheus, with its files in a folder, on the metrics of the service; give its port."""
    port = free_port()
    (folder / "alerts.yaml").write_text(yaml.safe_dump(hurried(yaml.safe_load(ALERTS.read_text()))))
    target = {"job_name": "mnist-api", "static_configs": [{"targets": [f"127.0.0.1:{metrics_port}"]}]}
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["alerts.yaml"],
        "scrape_configs": [target],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with _running(command, port, "/-/ready", dict(os.environ)):
        yield port


@contextmanager
def _running(command: list[str], port: int, ready: str, environment: dict[str, str]) -> Iterator[None]:
    """Run a command from when it answers until the block ends, however that ends."""
    # A session of its own: Ctrl-C reaches this process alone, which then stops the others in order.
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        _await(command[0], process, port, ready)
        yield
    finally:
        for impatience in (signal.SIGINT, signal.SIGTERM):
            signal.signal(impatience, signal.SIG_IGN)  # a second one would leave it running
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(command: str, process: subprocess.Popen[bytes], port: int, ready: str) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < until:
        try:
            call(port, "GET", ready)
        except Failed:
            time.sleep(0.05)
        else:
            return
    raise Failed(f"{command} does not start" if process.poll() is None else f"{command} ended with {process.poll()}")
