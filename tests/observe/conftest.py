"""A real Prometheus that has scraped two real services, the pods, under mixed traffic."""

import gzip
import http.client
import json
import math
import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlencode
from urllib.request import urlopen

import numpy as np
import pytest
import yaml

from tests.serving import ROOT, START_TIMEOUT_S, Server, free_port

TRAFFIC_S = 20
FIXTURES = ROOT / "tests" / "fixtures"


class Prometheus:
    """The configuration and the rules of this repository, each second, on the given metrics ports."""

    def __init__(self, folder, ports):
        configuration = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())
        configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        configuration["rule_files"] = [str(ROOT / "deploy" / path) for path in configuration["rule_files"]]
        targets = [f"127.0.0.1:{port}" for port in ports]
        configuration["scrape_configs"][0]["static_configs"] = [{"targets": targets}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        self.address = f"http://127.0.0.1:{free_port()}"
        options = {
            "config.file": folder / "prometheus.yml",
            "storage.tsdb.path": folder / "data",
            "web.listen-address": self.address.removeprefix("http://"),
            "log.level": "error",
        }
        self._started = time.time()
        self.process = subprocess.Popen(["prometheus", *(f"--{name}={value}" for name, value in options.items())])

    @property
    def watched_s(self):
        """Whole seconds since before it scraped for the first time: all of the traffic, however long ago it ended."""
        return math.ceil(time.time() - self._started)

    def ask(self, path, **parameters):
        with urlopen(f"{self.address}/api/v1/{path}?{urlencode(parameters)}", timeout=30) as answer:
            return json.load(answer)["data"]

    def values(self, query, *, each_second=False):
        """Every number that a query gives, now or each second that was watched, but for NaN and infinities."""
        if each_second:
            series = self.ask("query_range", query=query, start=self._started, end=time.time(), step=1)["result"]
            found = [value for one in series for _, value in one["values"]]
        else:
            found = [one["value"][1] for one in self.ask("query", query=query)["result"]]
        return [value for value in map(float, found) if math.isfinite(value)]

    def until(self, holds):
        """Look until something holds."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not holds(self):
            assert self.process.poll() is None
            assert time.monotonic() < deadline

    def is_ready(self):
        try:
            return bool(self.ask("query", query="up")["result"])
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(START_TIMEOUT_S)


@pytest.fixture(scope="session")
def services():
    running = [Server(workers=2) for _ in range(2)]
    yield running
    for one in running:
        assert one.stop() == 0


@pytest.fixture(scope="session")
def prometheus(services, tmp_path_factory):
    """Prometheus, after TRAFFIC_S seconds of traffic."""
    assert shutil.which("prometheus"), "prometheus is missing. Get it: https://prometheus.io/download"
    running = Prometheus(tmp_path_factory.mktemp("prometheus"), [one.metrics_port for one in services])
    try:
        running.until(Prometheus.is_ready)
        with ThreadPoolExecutor(len(services)) as pool:
            list(pool.map(send_traffic, services, range(len(services))))
        crash_workers(services[0])
        running.until(lambda started: started.values('ALERTS{alertname="MnistApiRestarts", alertstate="firing"}'))
        yield running
    finally:
        running.stop()


def crash_workers(server):
    """Kill more workers than is usual, so that there is an alert to be seen."""
    for _ in range(4):
        pid = server.worker_pids()[-1]
        os.kill(pid, signal.SIGKILL)
        server.until(lambda killed=pid: server.worker_pids()[-1] != killed and server.metrics()["mnist_workers"] == 2)


def send_traffic(server, seed):
    """Send what callers send, good and bad, to every route, some hundred times a second."""
    pixels = gzip.decompress((FIXTURES / "mnist100-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((FIXTURES / "mnist100-labels-idx1-ubyte.gz").read_bytes())[8:]
    images = np.frombuffer(pixels, np.uint8).reshape(100, 28, 28) / 255
    random = np.random.default_rng(seed)
    until = time.monotonic() + TRAFFIC_S
    with closing(server.connect()) as connection:
        while time.monotonic() < until:
            index = random.integers(100)
            requests = {
                "flat": ("POST", "/predict", {"image": images[index].ravel().tolist()}),
                "rows": ("POST", "/predict", {"image": images[index].tolist()}),
                "batch": ("POST", "/predict", {"images": images[random.integers(100, size=5)].tolist()}),
                "tensor": ("POST", "/v2/models/mnist/infer", tensor(images[index])),
                "bad": ("POST", "/predict", {"image": [1]}),
                "unknown": ("GET", "/unknown", None),
                "model": ("GET", "/model", None),
            }
            request_id = send(
                connection, *requests[random.choice(list(requests), p=[0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])]
            )
            if random.random() < 0.3:
                send(connection, "POST", "/feedback", {"request_id": request_id, "label": int(labels[index])})


def tensor(image):
    """A request of the inference protocol for one image."""
    return {"inputs": [{"name": "image", "shape": [28, 28], "datatype": "FP32", "data": image.tolist()}]}


def send(connection, method, path, body):
    connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    assert isinstance(answer, http.client.HTTPResponse)
    return answer.headers["X-Request-Id"]
