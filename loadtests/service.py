"""The service as it is measured: a gunicorn with the champion on free ports of loopback. For Linux."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TIMEOUT_S = 30
_given: set[int] = set()


class Service:
    """A running service. `start_s` is the seconds from its start to its first answer."""

    def __init__(self, application: str = "", arguments: Sequence[str] = (), **settings: Any) -> None:
        """Start it with settings by their names in lower case, and wait for its first answer.

        `application` stands in place of the one that is served by default, in gunicorn's form; `arguments` are
        gunicorn's, too.
        """
        self.port, self.metrics_port = free_port(), free_port()
        given = {"port": self.port, "metrics_port": self.metrics_port, **settings}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MNIST_")}
        environment |= {f"MNIST_{name.upper()}": str(value) for name, value in given.items()}
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "-c",
            "app/gunicorn.conf.py",
            *arguments,
            *([application] if application else []),
        ]
        started = time.perf_counter()
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
        self._await_ready()
        self.start_s = time.perf_counter() - started

    def _await_ready(self) -> None:
        while self.process.poll() is None:
            try:
                self.get("/health/ready")
            except ConnectionRefusedError:
                time.sleep(0.005)
            else:
                return
        raise SystemExit("the service does not start: see `make run`")

    def connect(self, port: int | None = None) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=TIMEOUT_S)

    def get(self, path: str, port: int | None = None) -> bytes:
        """Ask on a connection of its own."""
        with closing(self.connect(port)) as connection:
            connection.request("GET", path)
            return connection.getresponse().read()

    def workers(self) -> list[int]:
        """The pids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def stop(self) -> float:
        """Stop as Ctrl-C does; give the seconds it took."""
        started = time.perf_counter()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(TIMEOUT_S)
        return time.perf_counter() - started


def free_port() -> int:
    """A port that nobody uses and that was not given before: two probes in a row may find the same."""
    while True:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port
