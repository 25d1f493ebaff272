"""Schemathesis reads the description, and tries on a real server whether it is true.

Valid, nearly valid and wrong requests to every route, other methods, wrong types, and feedback after predictions; each
answer's status, headers, Content-Type and shape. The same requests each time, unless a seed is given: `make fuzz`.
"""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.description import Description
from tests.serving import ROOT, Server

CONFIGURATION = ROOT / "tests" / "api" / "schemathesis.toml"
EXAMPLES, EXAMPLES_WITH_SEED = 10, 100
PHASES = ("examples", "coverage", "fuzzing", "stateful")


@pytest.fixture(scope="module")
def server():
    running = Server(workers=2)
    yield running
    assert running.stop() == 0


@pytest.fixture
def how(request):
    """How many requests, and which."""
    seed = request.config.getoption("hypothesis_seed")
    if seed is None:
        return ["--max-examples", str(EXAMPLES), "--generation-deterministic"]
    return ["--max-examples", str(EXAMPLES_WITH_SEED), "--seed", str(seed)]


@pytest.mark.hypothesis
def test_every_check_of_schemathesis_passes(server, how, tmp_path):
    remember_the_example(server)
    report = run(server, how, tmp_path)
    operations = Description(server.request("GET", "/openapi.json")[1]).operations()
    assert report["operations"]["tested"] == len(operations)
    assert {phase: report["phases"][phase]["status"] for phase in PHASES} == dict.fromkeys(PHASES, "success")
    # Valid requests were made for each, and were taken: a generator that makes none would find no fault.
    rates = report["valid_rates"]
    assert rates.keys() == operations.keys()
    for name, phases in rates.items():
        assert sum(phase["accepted"] for phase in phases.values()) > 0, name


def remember_the_example(server):
    """Make the prediction that the example of feedback names."""
    with closing(server.connect()) as connection:
        connection.request("POST", "/predict", json.dumps({"image": [0] * 784}), {"X-Request-Id": "order-17"})
        assert connection.getresponse().status == 200


def run(server, how, folder):
    """Run it; give its report."""
    path = folder / "report.json"
    command = [
        *(str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(CONFIGURATION)),
        *("run", f"http://127.0.0.1:{server.port}/openapi.json"),
        *("--checks", "all", "--suppress-health-check", "all", "--continue-on-failure", "--no-color"),
        *("--report", "json", "--report-json-path", str(path)),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.api.hooks"}
    ended = subprocess.run([*command, *how], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(path.read_text())
