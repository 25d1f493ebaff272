"""The benchmark, as `make bench` runs it: who answers wrongly is disqualified, who cannot be measured is named."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.bench import catalogue, environments, measure, processes, questions
from loadtests.bench.alone import BYTES
from loadtests.bench.catalogue import CATALOGUE, FLOOR, SERVICE
from loadtests.bench.environments import Environment, LeftOut
from loadtests.bench.server import Disqualified, Server
from tests.serving import ROOT

PEERS = {peer.name: peer for peer in CATALOGUE}
BURNT_S = 0.3


@pytest.fixture
def environment(tmp_path):
    """This one, instead of an environment that would have to be made."""
    return Environment(Path(sys.prefix), tmp_path)


@pytest.fixture
def started(environment):
    """A function that starts this service with another application, or another peer."""
    servers = []

    def start(application="", peer=PEERS[SERVICE]):
        command = (*peer.command, *filter(None, [application]))
        servers.append(Server(replace(peer, command=command), environment, measure.SERVER_CORES))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def bench(*arguments):
    command = [sys.executable, "-m", "loadtests.bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def test_service_and_floors_answer_rightly(started):
    for peer in (PEERS[SERVICE], PEERS[FLOOR], PEERS["flask"]):
        offered = measure.saturate(started(peer=peer), 0.3)
        assert offered.outcomes["right"] > 0


def test_constant_is_as_long_as_what_the_service_answers(started):
    server = started()
    _, answer = server.ask(server.questions[0].body)
    assert len(questions.constant()) == pytest.approx(len(answer), rel=0.05)


def test_probability_that_is_off_disqualifies_at_the_start(started):
    with pytest.raises(Disqualified, match=r"^it gave a probability that is off by 0\.\d+$"):
        started("tests.bench.faulty:wrong()")


def test_digit_that_is_wrong_now_and_then_disqualifies_under_load(started):
    server = started("tests.load.faulty:wrong()")
    with pytest.raises(Disqualified, match=r"\d+ right, \d+ wrong$"):
        measure.saturate(server, 1)


def test_errors_under_load_disqualify(started):
    server = started("tests.load.faulty:failing()")
    with pytest.raises(Disqualified, match=r"\d+ right, \d+ 500$"):
        measure.saturate(server, 1)


def test_service_that_cannot_start_is_left_out_with_its_last_words(started):
    with pytest.raises(LeftOut, match="No module named 'nowhere'"):
        started("nowhere:app")


def test_peer_that_cannot_be_installed_is_left_out_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "PEERS_FOLDER", tmp_path)
    (tmp_path / "fastapi").mkdir()
    (tmp_path / "fastapi" / "requirements.txt").write_text("numpy==2.0.0\n")
    with pytest.raises(LeftOut, match=r"requirements\.txt of fastapi cannot be installed here: .*hash"):
        environments.make(PEERS["fastapi"], tmp_path)


def test_quick_run_prints_the_table_and_who_is_left_out(tmp_path):
    ended = bench(f"--home={tmp_path}", "--peers=floor,tensorflow_serving", "--rounds=2")
    assert "| gunicorn, a constant | 27.0.1 |" in ended.stdout, ended.stdout + ended.stderr
    assert "| **this service** |" in ended.stdout
    assert "- TensorFlow Serving is left out: its server is no Python package" in ended.stdout
    assert "over gunicorn" in ended.stdout


def test_unknown_peer_is_an_error_that_lists_the_known_ones(tmp_path):
    ended = bench(f"--home={tmp_path}", "--peers=fastapi,triton")
    assert ended.returncode == 1
    assert ended.stderr.startswith("PEERS=fastapi,triton: there is no triton. There are service, floor, flask, fastapi")


def test_batch_is_a_hundred_images(started):
    server = started()
    for (batch,), content_type in ((questions.batch(100), "application/json"), (questions.batch_of_bytes(100), BYTES)):
        status, answer = server.ask(batch.body, content_type)
        assert (status, batch.failure(answer)) == (200, "")
        assert answer.count(b'"prediction":') == 100


@pytest.fixture
def burning():
    """A process that lives on after a child of it burnt CPU and ended, and another that was given up by its parent."""
    burn = f"import os, time\nwhile time.process_time() < {BURNT_S}: pass"
    code = (
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])\n"
        f"lost = {burn!r} + '\\nprint(os.getpid(), flush=True)\\ntime.sleep(600)'\n"
        "subprocess.run(['sh', '-c', 'exec \"$0\" -c \"$1\" &', sys.executable, lost])\ninput()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    lost = int(process.stdout.readline())
    yield process.pid
    os.kill(lost, signal.SIGKILL)
    process.kill()
    process.communicate()


def test_cpu_of_ended_and_of_lost_children_counts(burning):
    assert len(processes.tree(burning)) == 2
    assert processes.cpu_s(burning) > 1.9 * BURNT_S


def test_child_in_a_session_of_its_own_counts():
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    assert child.pid in processes.tree(os.getpid())
    child.kill()
    child.wait()
