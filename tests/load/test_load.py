"""Load with a verdict, run as `make load` runs it: an honest service passes, each fault is seen and named."""

import csv
import re
import subprocess
import sys
from itertools import groupby

import pytest

from loadtests.service import Service
from tests.serving import ROOT, free_port

# Times are lenient: whether this machine is quick is not what is tested here.
OBJECTIVES = {
    "rate": 60,
    "duration_s": 5,
    "p50_ms": 100,
    "p95_ms": 2000,
    "p99_ms": 4000,
    "failures": 0.001,
    "throughput": 20,
}


@pytest.fixture
def load(tmp_path):
    """A function that runs a load on a host; gives its exit code, what it printed, and its folder."""

    def run(host, shape="smoke", processes=1, **changed):
        slo, out = tmp_path / "slo.toml", tmp_path / "out"
        lines = [f"{name} = {value}\n" for name, value in (OBJECTIVES | changed).items()]
        slo.write_text(f"[{shape}]\n{''.join(lines)}")
        arguments = [f"--host={host}", f"--shape={shape}", f"--slo={slo}", f"--out={out}", f"--processes={processes}"]
        command = [sys.executable, "-m", "loadtests.run", *arguments]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
        return ended.returncode, ended.stdout + ended.stderr, out

    return run


@pytest.fixture
def faulty():
    """A function that starts a service with a fault and these settings, and gives its address."""
    services = []

    def start(fault, **settings):
        services.append(Service(f"tests.load.faulty:{fault}()", **settings))
        return f"http://127.0.0.1:{services[-1].port}"

    yield start
    for service in services:
        service.stop()


def test_honest_service_that_load_starts_by_itself_passes(load):
    code, printed, out = load(host="")
    assert code == 0, printed
    assert printed.endswith("PASSED\n")
    assert (out / "verdict.txt").read_text() in printed
    assert "<html" in (out / "report.html").read_text()
    with (out / "load_stats.csv").open() as file:
        requests = {row["Name"]: int(row["Request Count"]) for row in csv.DictReader(file)}
    assert requests.keys() == {"single", "batch of 10", "new connection", "Aggregated"}
    assert min(requests.values()) > 0
    assert f"{requests['Aggregated']} requests" in printed


def test_steps_go_up_until_the_objectives_break_and_the_last_that_kept_them_is_judged(load, faulty):
    code, printed, _ = load(faulty("limited", workers=1), shape="step", rate=15, duration_s=4, throughput=5)
    steps = re.findall(r"^ +(\d+) a second: .*, ([0-9.]+)% failed(, no more)?$", printed, re.M)
    assert [int(rate) for rate, *_ in steps] == [15 * (index + 1) for index in range(len(steps))]
    *kept, broken = steps
    assert kept, printed
    assert not any(float(failed) or no_more for _, failed, no_more in kept)
    assert float(broken[1]) > 0
    assert broken[2]
    assert code == 0, printed


def test_steps_that_end_below_the_wanted_throughput_fail(load, faulty):
    code, printed, _ = load(faulty("limited", workers=1), shape="step", rate=30, duration_s=5, throughput=100)
    assert code != 0
    assert "FAILED: throughput " in printed


def test_spike_is_five_times_the_rate_and_then_the_rate_again(load):
    code, printed, out = load(host="", shape="spike", rate=20, duration_s=9)
    assert code == 0, printed
    with (out / "load_stats_history.csv").open() as file:
        users = [int(row["User Count"]) for row in csv.DictReader(file)]
    assert max(users) == 50
    # A row may be of a moment in which some of the users have ended, and others have not yet.
    assert [count for count, _ in groupby(one for one in users if one in {10, 50})] == [10, 50, 10]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("slow", "FAILED: p50 "),
        ("wrong", " failed: wrong digit\n"),
        ("failing", " failed: status 500\n"),
        ("refusing", " failed: refused: 503 with Retry-After\n"),
    ],
)
def test_fault_of_the_service_fails_the_verdict_and_is_named(load, faulty, fault, reason):
    code, printed, _ = load(faulty(fault))
    assert code != 0
    assert reason in printed, printed
    # A service that is slow enough refuses what would wait too long: how much of it depends on the machine.
    assert "FAILED: failures " in printed or fault == "slow", printed


def test_no_server_at_all_fails(load):
    code, printed, _ = load(f"http://127.0.0.1:{free_port()}", duration_s=2)
    assert code != 0
    assert "failures 100.00%, not" in printed
    assert "no answer: ConnectionRefusedError" in printed


def test_load_of_no_requests_fails(load):
    code, printed, _ = load(host="", duration_s=1e-9)
    assert code != 0
    assert printed.endswith("FAILED: not one request was made\n")


def test_several_generators_are_judged_as_one(load):
    code, printed, out = load(host="", processes=2)
    assert code == 0, printed
    assert "generator: 0% of a core" not in printed
    assert "2 workers connected" in (out / "locust.log").read_text()


def test_generator_that_asks_for_more_than_it_can_says_so(load):
    """Far more than one process can send, so that it wakes late, or uses all of its core."""
    code, printed, _ = load(host="", rate=4000, p99_ms=50)
    assert code != 0
    assert "NO VERDICT: the load generator was the bottleneck: it " in printed, printed
    assert "FAILED: p99" not in printed
