"""The README tells the truth: its table of settings, its commands, its code."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import fields

import pytest

from app.config import Settings
from tests.description import Description
from tests.serving import ROOT, START_TIMEOUT_S, free_port, is_listening, serving_environment

README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def test_settings_table_is_that_of_the_code():
    rows = re.findall(r"^\| `(MNIST_\w+)` \| (.*?) \| (.*?) \|$", README, re.M)
    expected = [
        (f"MNIST_{item.name.upper()}", f"`{item.default}`" if item.default != "" else "", item.metadata["help"])
        for item in fields(Settings)
    ]
    assert rows == expected


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", MAKEFILE, re.M))
    named = set(
        re.findall(r"\bmake ([a-z0-9-]+)", "\n".join(blocks("bash")) + " ".join(re.findall(r"`([^`]+)`", README)))
    )
    assert {"run", "test", "train"} <= named <= targets


def test_table_of_doors_is_that_of_the_description(served):
    """Method, path and Content-Type of each: what is not in one is not in the other."""
    description = Description(json.loads(served("curl -s http://127.0.0.1:5000/openapi.json")))
    doors = {
        (name.replace("{", "<").replace("}", ">"), content_type)
        for name, operation in description.operations().items()
        for content_type in operation.get("requestBody", {"content": {"": None}})["content"]
    }
    rows = re.findall(r"^\| `((?:GET|POST) /[^`]*)` \| (.*?)\|", README, re.M)
    assert {(name, one) for name, types in rows for one in re.findall(r"`([^`]+)`", types) or [""]} == doors
    assert {name for name, _ in doors} == set(json.loads(served("curl -s http://127.0.0.1:5000/"))["endpoints"])


@pytest.fixture(scope="module")
def served():
    """`make run` as the README says it, on free ports; gives a function that runs a command against it."""
    port, metrics_port = free_port(), free_port()
    environment = serving_environment(port=port, metrics_port=metrics_port)
    started = threading.Event()
    command = ["make", "run"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        said = []

        def read():
            for line in running.stdout:
                said.append(line)
                if "Booting worker" in line:
                    started.set()

        reader = threading.Thread(target=read)
        reader.start()

        def run(text):
            text = text.replace("127.0.0.1:5000", f"127.0.0.1:{port}").replace(
                "127.0.0.1:9464", f"127.0.0.1:{metrics_port}"
            )
            return subprocess.run(["bash", "-c", text], cwd=ROOT, capture_output=True, text=True, check=True).stdout

        run.said = said
        try:
            assert started.wait(START_TIMEOUT_S), said
            while not is_listening(port):
                assert running.poll() is None, said
            yield run
        finally:
            os.killpg(running.pid, signal.SIGINT)
            running.wait(START_TIMEOUT_S)
            reader.join(START_TIMEOUT_S)


def test_curl_line_of_make_run_works_as_it_stands(served):
    (line,) = (line.strip() for line in served.said if line.lstrip().startswith("curl "))
    assert json.loads(served(line)).keys() == {"prediction", "confidence", "probabilities"}
    assert line in README


def test_curl_commands_work(served):
    commands = [block for block in blocks("bash") if "curl " in block]
    assert len(commands) >= 1
    for command in commands:
        assert served(f"set -e\n{command}")


def test_python_example_works(served):
    (code,) = blocks("python")
    assert served(f"{sys.executable} - <<'END'\n{code}\nEND") == "0\n"


def test_missing_python_is_one_message(tmp_path):
    for name in ("Makefile", "requirements"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, tmp_path / name)
    ended = subprocess.run(["make", "run", "PYTHON="], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "Python 3.11, 3.12 or 3.13 is missing. Get it" in ended.stdout
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(
    "target",
    [
        *("image", "test-image", "kind", "kind-down", "e2e", "test-chart", "test-alerts", "observe", "observe-local"),
        *("train-image", "train-cluster", "e2e-training", "load-image", "load-cluster"),
        *("test-page", "page-picture", "image-archive", "scan", "lint-workflows", "test-delivery", "capacity-figures"),
        *("packages", "actionlint", "pull-request", "issue", "registry-login", "publish-image", "tested-image"),
        *("release-image", "release-chart", "verify-image", "sign", "release-notes"),
    ],
)
def test_missing_tool_is_one_message_that_says_how_to_get_it(tmp_path, target):
    make = shutil.which("make")
    ended = subprocess.run(
        [make, target, "-o", ".venv/dev", "-o", ".venv/serve"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert re.fullmatch(
        r"(docker|kind|kubectl|helm|prometheus|promtool|git|gh|cosign|go|actionlint|apt-get|chromium) is missing\."
        r" Get it: https://\S+\n",
        ended.stdout,
    ), ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("target", "example"),
    [
        ("bundle", "make bundle KERAS=path/to/mnist_model.h5"),
        ("gate", "make gate CANDIDATE=runs/x/bundle"),
        ("evidence", 'make evidence NAME=cnn6 RUNS="runs/cnn6-0 runs/cnn6-1"'),
    ],
)
def test_target_that_needs_a_name_says_so(target, example):
    ended = subprocess.run(
        ["make", target, "-o", ".venv-train/train"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0
    assert example in ended.stdout
