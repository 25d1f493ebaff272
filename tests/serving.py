"""What tests share that needs no package: the champion's place, free ports, a real server, a web server."""

import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
CHAMPION = ROOT / "deploy" / "model"
START_TIMEOUT_S = 60
_held: list[socket.socket] = []


def free_port() -> int:
    """A port of loopback that stays this process' own: a server gets it that sets SO_REUSEADDR, as all here do.

    Its socket stays bound and never listens. If it were closed, the kernel could give the port to another test that
    wants one, or to a connection, before the server binds it.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port = held.getsockname()[1]
    if sys.platform == "linux":
        _held.append(held)
    else:  # there, the server could not bind it
        held.close()
    return port


def is_listening(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def web_server(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder's files on loopback; give the address and the list, which grows, of the paths that were asked."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def serving_environment(**settings: Any) -> dict[str, str]:
    """This process' environment without its MNIST_ settings, and with those given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MNIST_", "PROMETHEUS_"))}
    return inherited | {f"MNIST_{name.upper()}": str(value) for name, value in settings.items()}


class Server:
    """A real gunicorn with the champion, on free ports of 127.0.0.1. `application` stands in place of the usual one."""

    def __init__(
        self,
        environment: dict[str, str] | None = None,
        *,
        python: str = sys.executable,
        application: str = "",
        **settings: Any,
    ) -> None:
        self.port, self.metrics_port = settings.pop("port", None) or free_port(), free_port()
        environment = serving_environment(port=self.port, metrics_port=self.metrics_port, **settings) | (
            environment or {}
        )
        command = [python, "-m", "gunicorn", "-c", "app/gunicorn.conf.py", *filter(None, [application])]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        self.log: list[str] = []
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        assert self._listening.wait(START_TIMEOUT_S), self.log
        assert self.process.poll() is None, self.log
        self.until(lambda: is_listening(self.port))
        assert self.request("GET", "/health/ready")[0] == 200
        workers = settings.get("workers", 2)
        self.until(lambda: len(self.worker_pids()) == workers == self.metrics()["mnist_workers"])

    def _read_log(self) -> None:
        for line in self.process.stderr:
            self.log.append(line)
            if "Booting worker" in line:
                self._listening.set()
        self._listening.set()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_TIMEOUT_S)

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send one request on a connection of its own; give status and parsed answer."""
        with closing(self.connect()) as connection:
            connection.request(method, path, body=None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def raw(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send bytes, close the sending side, and give the answer's status, headers and body."""
        with closing(socket.create_connection(("127.0.0.1", self.port), START_TIMEOUT_S)) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return answer.status, dict(answer.getheaders()), answer.read()

    def metrics(self) -> dict[str, float]:
        """Scrape, and give every sample by its name with labels."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=START_TIMEOUT_S)) as connection:
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def until(self, holds: Callable[[], bool]) -> None:
        """Look until something holds, while the server runs."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not holds():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log

    def worker_pids(self) -> list[int]:
        """The pid of every worker that was ever started, in this order."""
        return [int(line.rpartition("pid: ")[2].rstrip('"}\n')) for line in list(self.log) if "Booting worker" in line]

    def requests_logged(self) -> list[dict[str, Any]]:
        """The log's lines of requests."""
        return [one for one in map(json.loads, list(self.log)) if one["message"] == "request"]

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        self.process.send_signal(with_signal)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end of the process and of its log; give its exit status."""
        status = self.process.wait(START_TIMEOUT_S)
        self._reader.join(START_TIMEOUT_S)
        self.process.stderr.close()
        return status
