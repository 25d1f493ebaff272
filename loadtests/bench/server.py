"""A peer that runs: started on its core, asked, counted, stopped. For Linux."""

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from loadtests.bench import processes
from loadtests.bench.catalogue import Peer
from loadtests.bench.environments import Environment, LeftOut
from loadtests.service import free_port

CORES = sorted(os.sched_getaffinity(0))
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 20
ASK_TIMEOUT_S = 30
_PAUSE_S = 0.005


class Disqualified(Exception):
    """A peer that answered wrongly; the message says what."""


@contextmanager
def on(cores: list[int]) -> Iterator[None]:
    """Run, and let start what is started here, on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Server:
    """A running peer. `start_s` is the seconds from its start to its first right answer."""

    def __init__(
        self, peer: Peer, environment: Environment, cores: list[int], settings: dict[str, str] | None = None
    ) -> None:
        """Start it, with `settings` over its own environment variables, and wait. Raises LeftOut and Disqualified."""
        self.peer = peer
        self.port = free_port()
        self.questions = peer.questions()
        self._log = environment.home / f"{peer.name}.log"
        started = time.perf_counter()
        with on(cores), self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command(peer.command, environment, self.port),
                cwd=peer.folder,
                env=variables(peer, environment, self.port) | (settings or {}),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._await_answer()
            self.start_s = time.perf_counter() - started
            self._check()
        except BaseException:
            self.stop()
            raise

    def cpu_s(self) -> float:
        return processes.cpu_s(self.process.pid)

    def ask(self, body: bytes, content_type: str = "application/json") -> tuple[int, bytes]:
        """Send one request on a connection of its own; give status and body."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=ASK_TIMEOUT_S)) as connection:
            connection.request("POST", self.peer.path, body, {"Content-Type": content_type})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def stop(self) -> None:
        """Stop as a supervisor does, and whatever is left after that by force."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in processes.tree(self.process.pid):
            os.kill(pid, signal.SIGKILL)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                if self.ask(self.questions[0].body)[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass  # it does not listen yet
            time.sleep(_PAUSE_S)
        last = " ".join(self._log.read_text(errors="replace").split()[-40:])
        raise LeftOut(f"it gave no answer within {START_TIMEOUT_S} s, or ended: {last}")

    def _check(self) -> None:
        for question in self.questions:
            status, answer = self.ask(question.body)
            if failure := question.failure(answer) if status == 200 else f"status {status}":
                raise Disqualified(f"it gave {failure}")


def command(words: tuple[str, ...], environment: Environment, port: int = 0) -> list[str]:
    """A peer's command with its places filled; its program is the environment's."""
    program, *rest = (word.format(port=port, home=environment.home.resolve()) for word in words)
    return [str(environment.folder.resolve() / "bin" / program), *rest]


def variables(peer: Peer, environment: Environment, port: int = 0) -> dict[str, str]:
    """The environment variables of a peer: none of the service's but its own, and its programs first on the PATH."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MNIST_", "PYTHON"))}
    ports = {"port": port, "other": free_port(), "third": free_port()}
    given = {
        name: value if name == "BENCH_ANSWER" else value.format(home=environment.home.resolve(), **ports)
        for name, value in peer.environment.items()
    }
    return inherited | {"PATH": f"{environment.folder.resolve() / 'bin'}:{os.environ['PATH']}"} | given


def prepare(peer: Peer, environment: Environment) -> None:
    """Run what must be run before a peer can start. Raises LeftOut."""
    if not peer.prepare:
        return
    ended = subprocess.run(
        command(peer.prepare, environment),
        cwd=peer.folder,
        env=variables(peer, environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise LeftOut(f"its model cannot be made: {ended.stderr.strip().splitlines()[-1]}")
