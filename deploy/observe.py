"""The service and a Prometheus that watches it, without containers: `make observe-local`.

Both end with Ctrl-C, or as soon as one of them ends; what Prometheus stored goes with it. Standard library and
app.config only.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from argparse import ArgumentParser
from contextlib import ExitStack, closing
from pathlib import Path

from app.config import Settings, SettingsError

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "deploy" / "prometheus.yml"
HOST = "127.0.0.1"
STOP_S = 30
Processes = dict[str, subprocess.Popen[bytes]]


def main() -> None:
    """Run both until one ends. Exits with 1 and a message if that was not by Ctrl-C or SIGTERM."""
    parser = ArgumentParser(description="Serve the champion, and watch it with Prometheus, until Ctrl-C.")
    parser.add_argument("--prometheus-port", type=int, default=9090, help="port of Prometheus (default: %(default)s)")
    prometheus_port = parser.parse_args().prometheus_port
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        sys.exit(f"mnist-api cannot start: {error}")
    require_free(settings.port, "MNIST_PORT=")
    require_free(settings.metrics_port, "MNIST_METRICS_PORT=")
    require_free(prometheus_port, "ARGS=--prometheus-port=")
    # As Ctrl-C does, so that whoever stops this stops both.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    try:
        observe(settings, prometheus_port)
    except KeyboardInterrupt:
        print("\nBoth have stopped.")


def require_free(port: int, setting: str) -> None:
    """Exit with a message if something listens on this port."""
    with closing(socket.socket()) as probe:
        # As servers do: a port that a connection held a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            sys.exit(f"Port {port} cannot be used: {error.strerror}. Choose another: make observe-local {setting}PORT")


def observe(settings: Settings, prometheus_port: int) -> None:
    """Start both, say where they are, and wait until one ends; then stop the other and remove its data."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mnist-observe-")))
        (folder / "prometheus.yml").write_text(configuration(settings.metrics_port))
        processes: Processes = {}
        stack.callback(stop, processes)
        processes["The service"] = start([str(Path(sys.executable).parent / "gunicorn"), "-c", "app/gunicorn.conf.py"])
        processes["Prometheus"] = start(prometheus(folder, prometheus_port))
        await_answer(f"http://{HOST}:{settings.port}/health/ready", processes)
        await_answer(f"http://{HOST}:{prometheus_port}/-/ready", processes)
        print(addresses(settings, prometheus_port), flush=True)
        while True:
            require_running(processes)
            time.sleep(0.2)


def configuration(metrics_port: int) -> str:
    """Prometheus' configuration for this machine, which may be read from any folder."""
    text = CONFIG.read_text()
    for word, here in {"api:9464": f"{HOST}:{metrics_port}", "../helm": str(ROOT / "helm")}.items():
        if word not in text:
            raise ValueError(f"{CONFIG} does not say {word}")
        text = text.replace(word, here)
    return text


def prometheus(folder: Path, port: int) -> list[str]:
    return [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={HOST}:{port}",
        "--log.level=warn",
    ]


def addresses(settings: Settings, prometheus_port: int) -> str:
    return f"""
  the service   http://{HOST}:{settings.port}
  its metrics   http://{HOST}:{settings.metrics_port}/metrics
  Prometheus    http://{HOST}:{prometheus_port}/graph
  the alerts    http://{HOST}:{prometheus_port}/alerts

Ctrl-C stops both and deletes what Prometheus stored."""


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, which Ctrl-C does not reach: it is stopped here, and once."""
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"MNIST_HOST": HOST}, process_group=0)


def await_answer(url: str, processes: Processes) -> None:
    """Wait until an address answers with success. Exits if a process ends before."""
    while True:
        require_running(processes)
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)


def require_running(processes: Processes) -> None:
    """Exit with a message if a process has ended."""
    for name, process in processes.items():
        if process.poll() is not None:
            sys.exit(f"{name} ended by itself, with status {process.returncode}.")


def stop(processes: Processes) -> None:
    """Ask all to end, and kill those that do not."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient Ctrl-C would leave them running
    for process in processes.values():
        process.terminate()
    for process in processes.values():
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
