"""What POST /predict of one image costs, part by part, and what bare gunicorn costs: `make profile`.

CPU a request by the worker's own account, on loopback, on one connection; all services are asked in turns in one run,
and ratios are those of a round. Writes the tables of docs/HOT_PATH.md. Exits with 1 if the service costs more than
LIMIT times bare gunicorn. For Linux.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

from loadtests import listening, payloads, variants
from loadtests.bench import questions
from loadtests.bench.catalogue import PEERS_FOLDER
from loadtests.observability import cpu_ns, wait_until
from loadtests.open_loop import request
from loadtests.payloads import Payload
from loadtests.service import ROOT, TIMEOUT_S, Service, free_port
from training import pages

PAGE = ROOT / "docs" / "HOT_PATH.md"
BEGIN = "<!-- written by make profile -->\n"
ROUNDS = 20
REQUESTS = 300
BATCH = 100
IDLE_S = 600  # each waits while the others are asked
LIMIT = 1.4
FLOOR, WHOLE, REST = "bare gunicorn, gevent worker", "this service", "receive, find the end, wait for the turn, send"
LONG_WAY = b"Content-Language: en\r\n\r\n"  # a field that the lane leaves to the others
# What the service is compared with: the function of loadtests.variants, and settings.
PARTS = {
    "parse and check the JSON, make an image": "without_parsing",
    "predict": "without_model",
    "metrics": "without_metrics",
    "remember for feedback": "without_feedback",
}
TRIED = {
    "lane behind gunicorn's parser, before Flask": "with_lane_in_wsgi",
    "compute at once if first in the loop's round": "with_turns_at_once",
    "receive into 16 KiB": "with_small_reads",
    "no garbage collection": "without_garbage_collection",
}


class Asked:
    """A server of one worker, and one connection to it that sends the same request again and again."""

    def __init__(self, port: int, parent: int, data: bytes, *, kept: bool = True) -> None:
        """`kept`: the server keeps connections. `parent` is the pid of the worker's arbiter."""
        self._address = ("127.0.0.1", port)
        self._children = Path(f"/proc/{parent}/task/{parent}/children")
        self._data = data
        self._kept = kept
        self._connection: socket.socket | None = None
        wait_until(lambda: len(self._children.read_text().split()) == 1)

    def cpu_us(self, requests: int = REQUESTS) -> float:
        """CPU microseconds of the worker for each of so many requests."""
        worker = int(self._children.read_text())
        before = cpu_ns(worker)
        for _ in range(requests):
            status = self._ask()
            assert status == b"200", status
        return (cpu_ns(worker) - before) / requests / 1000

    def _ask(self) -> bytes:
        if not self._connection:
            self._connection = socket.create_connection(self._address, TIMEOUT_S)
        self._connection.sendall(self._data)
        answer, missing = b"", 1
        while missing > 0 and (data := self._connection.recv(65536)):
            answer += data
            head, end, body = answer.partition(b"\r\n\r\n")
            if end and self._kept:
                missing = int(head.lower().partition(b"content-length: ")[2].split(None, 1)[0]) - len(body)
        if not self._kept:
            self.close()
        return answer[9:12]

    def close(self) -> None:
        """Close the connection, which the server would wait for at its end."""
        if self._connection:
            self._connection.close()
            self._connection = None


def bare(stack: ExitStack, data: bytes, kind: str) -> Asked:
    """Bare gunicorn, with a worker of this kind, before the constant of `make bench`."""
    port = free_port()
    command = ["gunicorn", "--bind", f"127.0.0.1:{port}", "--worker-class", kind, "--no-control-socket"]
    command += ["--keep-alive", str(IDLE_S), "constant:bare"]
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=PEERS_FOLDER / "floor",
        env=os.environ | {"BENCH_ANSWER": questions.constant().decode()},
        stderr=subprocess.DEVNULL,
    )
    stack.callback(process.wait, TIMEOUT_S)
    stack.callback(process.terminate)
    wait_until(lambda: answers(port))
    return stack.enter_context(closing(Asked(port, process.pid, data, kept=kind != "sync")))


def answers(port: int) -> bool:
    time.sleep(0.01)
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def served(stack: ExitStack, data: bytes, variant: str = "", **settings: object) -> Asked:
    """The service, or a variant of it."""
    module = "loadtests.observability" if variant == "without_metrics" else "loadtests.variants"
    service = Service(f"{module}:{variant}()" if variant else "", workers=1, keepalive_s=IDLE_S, **settings)
    stack.callback(service.stop)
    return stack.enter_context(closing(Asked(service.port, service.process.pid, data)))


def measure() -> dict[str, list[float]]:
    """CPU microseconds a request, by what was asked, a figure a round."""
    single = payloads.singles()[0]
    data = request(single)
    images = [json.loads(one.body)["image"] for one in payloads.singles()] * (BATCH // 10)
    batch = request(Payload(json.dumps({"images": images}).encode(), ()))
    tried = TRIED | ({"pysimdjson in place of msgspec": "with_simdjson"} if variants.has_simdjson() else {})
    with ExitStack() as stack:
        asked = {
            FLOOR: bare(stack, data, "gevent"),
            "bare gunicorn, sync worker": bare(stack, data, "sync"),
            WHOLE: served(stack, data),
            "the same, by gunicorn's parser and Flask": served(stack, data.replace(b"\r\n\r\n", b"\r\n" + LONG_WAY, 1)),
            "the log line": served(stack, data, log_sample=0),
            REST: served(stack, data, "without_answering"),
            **{name: served(stack, data, variant) for name, variant in (PARTS | tried).items()},
        }
        batches = served(stack, batch)
        for one in asked.values():
            one.cpu_us()
        found: dict[str, list[float]] = {name: [] for name in (*asked, "batch")}
        for _ in range(ROUNDS):
            for name, one in asked.items():
                found[name].append(one.cpu_us())
            found["batch"].append(batches.cpu_us(3) / BATCH)
    return found


def row(name: str, figures: list[float], floor: list[float]) -> list[str]:
    """One line of a table: the median, and the ratio to the floor with its quartiles."""
    low, middle, high = statistics.quantiles([one / other for one, other in zip(figures, floor, strict=True)], n=4)
    return [name, f"{statistics.median(figures):.0f}", f"{middle:.2f}", f"{low:.2f} to {high:.2f}"]


def saved(name: str, figures: list[float], whole: list[float]) -> list[str]:
    """One line: what the service costs less without a part, median and quartiles over the rounds."""
    low, middle, high = statistics.quantiles((one - other for one, other in zip(whole, figures, strict=True)), n=4)
    return [name, f"{middle:.0f}", f"{low:.0f} to {high:.0f}"]


def tables(found: dict[str, list[float]]) -> str:
    floor, whole = found[FLOOR], found[WHOLE]
    parts = [*PARTS, "the log line"]
    cost = {part: statistics.median(one - two for one, two in zip(whole, found[part], strict=True)) for part in parts}
    rest = statistics.median(whole) - statistics.median(found[REST]) - sum(cost.values())
    tried = [name for name in found if name in TRIED or name.startswith("pysimdjson")]
    wholes = [FLOOR, "bare gunicorn, sync worker", WHOLE, "the same, by gunicorn's parser and Flask", *tried]
    batch = statistics.median(one / each for one, each in zip(whole, found["batch"], strict=True))
    costs = pages.table(
        ["", "CPU a request, us", "times bare gunicorn", "quartiles"],
        [row(name, found[name], floor) for name in wholes],
    )
    shares = pages.table(
        ["part of a request", "CPU, us", "quartiles"],
        [
            saved(REST, [0.0] * ROUNDS, found[REST]),
            *(saved(part, found[part], whole) for part in parts),
            ["what is left: read the head, ids, encode the answer", f"{rest:.0f}", ""],
        ],
    )
    return (
        f"{costs}\n{shares}\n"
        f"An image in a batch of {BATCH} costs {statistics.median(found['batch']):.0f} us: for the same CPU,"
        f" {batch:.1f} times the images of single requests.\n"
    )


def main() -> int:
    """Measure, write the page's tables, and give 1 if the service costs more than it may."""
    found = measure()
    text = f"{tables(found)}\n{listening.table()}"
    print(text)
    pages.write(PAGE, BEGIN, text)
    ratio = statistics.median(one / floor for one, floor in zip(found[WHOLE], found[FLOOR], strict=True))
    print(f"{'ok' if ratio <= LIMIT else 'FAILED'}: {ratio:.2f} times bare gunicorn, limit {LIMIT}")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
