"""What stops the start: at once, with a non-zero exit code and one clear message."""

import json
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from tests.serving import CHAMPION, ROOT, START_TIMEOUT_S, free_port, serving_environment


def fails_to_start(_shell="exec", **settings):
    """Start the service; give what it says when it ends, which it must do by itself and with an exit code."""
    environment = serving_environment(**{"port": free_port(), "metrics_port": free_port(), **settings})
    command = ["bash", "-c", f"{_shell} {sys.executable} -m gunicorn -c app/gunicorn.conf.py"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=START_TIMEOUT_S
    )
    assert ended.returncode not in {0, None}
    assert ended.stderr.count("mnist-api cannot start:") == 1
    assert "Traceback" not in ended.stderr
    assert "Booting worker" not in ended.stderr
    return ended.stderr


@pytest.fixture
def bundle(tmp_path):
    """A copy of the champion, to be spoilt."""
    return Path(shutil.copytree(CHAMPION, tmp_path / "model"))


def edit(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_all_wrong_settings_are_in_one_message():
    message = fails_to_start(workers="two", max_batch=0, log_level="loud", wokers=3)
    for problem in (
        "MNIST_WORKERS='two'",
        "MNIST_MAX_BATCH='0'",
        "MNIST_LOG_LEVEL='loud'",
        "MNIST_WOKERS: no such setting",
    ):
        assert problem in message


def test_missing_bundle(tmp_path):
    assert f"{tmp_path / 'none' / 'manifest.json'} cannot be read" in fails_to_start(model_dir=tmp_path / "none")


def test_altered_model(bundle):
    with (bundle / "model.tflite").open("ab") as model:
        model.write(b"\0")
    assert "model.tflite was altered: its sha256 is" in fails_to_start(model_dir=bundle)


def test_unknown_schema(bundle):
    edit(bundle / "manifest.json", lambda manifest: manifest.update(schema=99))
    assert "has schema 99; this version reads schema 1" in fails_to_start(model_dir=bundle)


def test_other_golden_answers(bundle):
    """The checksums are right, and the answers are another model's."""
    edit(bundle / "golden.json", lambda golden: golden["cases"][0].update(probabilities=[0.1] * 10))
    right = sha256((bundle / "golden.json").read_bytes()).hexdigest()
    edit(bundle / "manifest.json", lambda manifest: manifest["golden"].update(sha256=right))
    assert "does not give its golden answers" in fails_to_start(model_dir=bundle)


def test_model_that_is_none(bundle):
    (bundle / "model.tflite").write_bytes(b"no model")
    right = sha256(b"no model").hexdigest()
    edit(bundle / "manifest.json", lambda manifest: manifest["model"].update(sha256=right))
    assert "the model of this Bundle does not load" in fails_to_start(model_dir=bundle)


@pytest.mark.parametrize("workers", [1, 2])
def test_taken_port(start_server, workers):
    """Even by a service that would share it."""
    port = start_server(workers=2).port
    assert f"MNIST_PORT={port}: Address already in use" in fails_to_start(port=port, workers=workers)


def test_taken_metrics_port():
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        assert f"MNIST_METRICS_PORT={port}" in fails_to_start(metrics_port=port)


def test_metrics_folder_that_cannot_be_written(tmp_path):
    assert "Set MNIST_METRICS_DIR" in fails_to_start(metrics_dir=tmp_path / "none")


def test_no_room_for_feedback():
    """A file may not grow as large as it must, which a full file system does too."""
    message = fails_to_start(feedback_requests=2**20, _shell="ulimit -f 8192; exec")
    assert "no room for MNIST_FEEDBACK_REQUESTS=1048576: [Errno " in message


def test_nothing_is_left_behind(start_server, tmp_path):
    server = start_server(metrics_dir=tmp_path)
    assert [path.name.startswith("mnist-metrics-") for path in tmp_path.iterdir()] == [True]
    server.stop()
    assert not list(tmp_path.iterdir())
