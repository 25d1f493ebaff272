"""The command line as a shell sees it: what it prints, and its exit codes."""

import json
import shutil
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest

from tests.pictures import enlarged, file_of
from tests.serving import CHAMPION, ROOT, START_TIMEOUT_S, free_port, serving_environment


def run(*arguments, stdin=b"", **settings):
    command = [sys.executable, "-m", "app", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=serving_environment(**settings), input=stdin, capture_output=True, check=False
    )


@pytest.fixture
def files(tmp_path, golden):
    """Files of the golden 7 and 4 as people have them, and one that is none."""
    for case in golden:
        image = np.uint8(np.reshape(case.image, (28, 28)) * 255)
        (tmp_path / f"{case.label}.png").write_bytes(file_of(255 - enlarged(image, 200)))
        (tmp_path / f"{case.label}.bytes").write_bytes(image.tobytes())
    (tmp_path / "note.txt").write_text("a note")
    return tmp_path


def test_predict_says_what_each_picture_shows(files):
    ended = run("predict", files / "7.png", files / "4.png", files / "7.bytes")
    lines = ended.stdout.decode().splitlines()
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert [line.rpartition(": ")[2].split()[0] for line in lines] == ["7", "4", "7"]
    assert lines[0].startswith(f"{files / '7.png'}: 7 (")


def test_predict_reads_standard_input(files):
    ended = run("predict", "-", "--json", stdin=(files / "4.png").read_bytes())
    answer = json.loads(ended.stdout)
    assert (ended.returncode, answer["file"], answer["prediction"]) == (0, "-", 4)
    assert answer.keys() == {"file", "prediction", "confidence", "probabilities"}


def test_json_is_the_services_answer(files, client):
    answer = json.loads(run("predict", "--json", files / "7.png").stdout)
    served = client.post("/predict", data=(files / "7.png").read_bytes(), content_type="image/png").json
    assert answer == {"file": str(files / "7.png"), **served}


def test_raw_takes_a_picture_as_it_comes(files, client):
    answer = json.loads(run("predict", "--json", "--raw", files / "7.png").stdout)
    served = client.post("/predict?raw=true", data=(files / "7.png").read_bytes(), content_type="image/png").json
    assert answer["probabilities"] == served["probabilities"]


def test_bad_picture_is_1_and_the_others_are_answered(files):
    ended = run("predict", files / "note.txt", files / "7.png", files / "none.png")
    assert ended.returncode == 1
    assert ended.stdout.decode().count(": 7 (") == 1
    assert f"`{files / 'note.txt'}` is no picture that can be read here." in ended.stderr.decode()
    assert f"`{files / 'none.png'}` cannot be read: No such file or directory." in ended.stderr.decode()
    lines = run("predict", "--json", files / "note.txt", files / "7.png").stdout.splitlines()
    wrong, right = map(json.loads, lines)
    assert "is no picture" in wrong["error"]
    assert right["prediction"] == 7


def test_verify_says_which_model_is_right(classifier):
    ended = run("verify", CHAMPION)
    assert ended.returncode == 0
    assert classifier.bundle.manifest.sha256 in ended.stdout.decode()
    answer = json.loads(run("verify", CHAMPION, "--json").stdout)
    assert answer["right"]
    assert (answer["version"], answer["golden"]) == (classifier.bundle.manifest.version, 10)


def test_verify_of_an_altered_bundle_is_1(tmp_path):
    altered = shutil.copytree(CHAMPION, tmp_path / "altered")
    (altered / "model.tflite").write_bytes((altered / "model.tflite").read_bytes() + b"?")
    ended = run("verify", altered)
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert "was altered: its sha256 is" in ended.stderr.decode()
    ended = run("verify", altered, "--json")
    assert (ended.returncode, json.loads(ended.stdout)["right"]) == (1, False)
    assert run("predict", "--model", altered, "-").returncode == 1


@pytest.mark.parametrize("arguments", [[], ["predict"], ["verify"], ["classify", "x"], ["predict", "--fast", "x"]])
def test_wrong_usage_is_2(arguments):
    ended = run(*arguments)
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr.startswith(b"usage: python -m app")


def test_wrong_setting_is_2():
    ended = run("predict", "-", workers="none")
    assert ended.returncode == 2
    assert b"MNIST_WORKERS='none': must be a whole number" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_serve_serves_until_it_is_told_to_stop():
    port = free_port()
    environment = serving_environment(port=port, metrics_port=free_port(), workers=1)
    command = [sys.executable, "-m", "app", "serve"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as serving:
        assert any("Booting worker" in line for line in serving.stderr)
        # It listens: the kernel holds this request until the worker answers it.
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=START_TIMEOUT_S) as answer:
            assert answer.status == 200
        serving.send_signal(signal.SIGTERM)
        serving.stderr.read()
        assert serving.wait(START_TIMEOUT_S) == 0


def test_serve_says_what_is_wrong_with_its_settings():
    ended = run("serve", port="none")
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"mnist-api cannot start: wrong settings:")
