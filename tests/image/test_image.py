"""The image as it was built: what is in it, what is not, and how it runs where nothing is allowed."""

import json
import os
import subprocess
import uuid

import numpy as np
import pytest

from tests.pictures import enlarged, file_of
from tests.serving import ROOT

IMAGE = os.environ.get("IMAGE", "mnist-api")
BASE = "python:3.13-slim"
ADDED_LIMIT_MB = 150


def docker(*arguments, check=True):
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=check, timeout=120)


@pytest.fixture(scope="module")
def image():
    return json.loads(docker("image", "inspect", IMAGE).stdout)[0]


@pytest.fixture(scope="module")
def base():
    """The base image, which an engine that only loaded or built ours need not hold."""
    if docker("image", "inspect", BASE, check=False).returncode:
        docker("pull", "--quiet", BASE)
    return json.loads(docker("image", "inspect", BASE).stdout)[0]


@pytest.fixture(scope="module")
def files():
    """Every path in the image that the base does not have."""
    listing = [
        docker("run", "--rm", "--user", "0", "--entrypoint", "find", name, "/", "-xdev").stdout.split("\n")
        for name in (IMAGE, BASE)
    ]
    return set(listing[0]) - set(listing[1])


@pytest.fixture
def container():
    """The service with no network, no capability and nothing to write to but /dev/shm."""
    name = f"mnist-api-test-{uuid.uuid4().hex[:8]}"
    docker("run", "--detach", "--name", name, "--read-only", "--cap-drop", "ALL", "--network", "none", IMAGE)
    with subprocess.Popen(["docker", "logs", "--follow", name], stderr=subprocess.PIPE, text=True) as logs:
        assert any("Booting worker" in line for line in logs.stderr), "the service does not start"
        logs.kill()
    yield name
    docker("rm", "--force", name)


ASK = """
import json, urllib.request as u
def ask(path, body=None):
    request = u.Request("http://127.0.0.1:5000" + path, body, {"Content-Type": "application/json"})
    return json.load(u.urlopen(request, timeout=10))
case = json.load(open("deploy/model/golden.json"))["cases"][7]
print(json.dumps(ask("/predict", json.dumps({"image": case["image"]}).encode())))
print(u.urlopen("http://127.0.0.1:9464/metrics").read().decode())
"""


FILL = """
try:
    with open("/dev/shm/full", "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
except OSError as error:
    print(error)
"""
# Each worker listens for itself: until the next one does, nobody would take a request.
KILL = """
import os, signal, socket
killed = open("/proc/1/task/1/children").read().split()
for pid in killed:
    os.kill(int(pid), signal.SIGKILL)
    print(pid)
while any(os.path.exists(f"/proc/{pid}") for pid in killed) or socket.socket().connect_ex(("127.0.0.1", 5000)):
    pass
"""


def test_adds_little_to_its_base(image, base):
    added_mb = (image["Size"] - base["Size"]) / 1e6
    print(f"{IMAGE} adds {added_mb:.0f} MB to {BASE}")
    assert 10 < added_mb <= ADDED_LIMIT_MB


def test_runs_as_a_number_that_is_not_root(image):
    user = image["Config"]["User"].partition(":")[0]
    assert user.isdigit()
    assert int(user) > 0


def test_labels_name_revision_version_and_model(image):
    labels = image["Config"]["Labels"]
    manifest = json.loads((ROOT / "deploy" / "model" / "manifest.json").read_text())
    assert labels["mnist-api.model.sha256"] == manifest["model"]["sha256"]
    assert len(labels["org.opencontainers.image.revision"]) >= 40
    assert labels["org.opencontainers.image.version"]
    assert labels["org.opencontainers.image.licenses"] == "MIT"


def test_starts_by_exec(image):
    assert image["Config"]["Entrypoint"][0] == "gunicorn"


UNWANTED = [
    "/srv/training",
    "/tests/",
    "/.git/",
    "/requirements/",
    "/tensorflow/",
    "/mlflow",
    "/.cache/",
    "/pip/",
    ".pyx",
]


@pytest.mark.parametrize("unwanted", [*UNWANTED, "/bin/gcc"])
def test_holds_nothing_that_serving_does_not_need(files, unwanted):
    assert len(files) > 500
    assert not [path for path in files if unwanted in f"{path}/"]


def test_holds_the_service_compiled(files):
    assert {"/srv/app/main.py", "/srv/app/ui/page.html", "/srv/app/ui/page.js"} <= files
    assert any(path.startswith("/srv/app/__pycache__/main.") for path in files)
    assert "/srv/deploy/model/model.tflite" in files


def test_predicts_read_only_without_network_or_capabilities(container, image):
    answer, _, metrics = docker("exec", container, "python", "-c", ASK).stdout.partition("\n")
    assert json.loads(answer)["prediction"] == 7
    assert 'mnist_predictions_total{digit="7"} 1.0' in metrics
    labels = image["Config"]["Labels"]
    build = (labels["org.opencontainers.image.revision"], labels["org.opencontainers.image.version"])
    assert f'revision="{build[0]}",version="{build[1]}"}} 1.0' in metrics


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_reads_pictures_from_a_terminal(kind):
    """With all that is left of Pillow."""
    golden = json.loads((ROOT / "deploy" / "model" / "golden.json").read_text())["cases"][7]
    image = np.uint8(np.reshape(golden["image"], (28, 28)) * 255)
    picture = file_of(255 - enlarged(image, 280), kind)
    command = ["docker", "run", "--rm", "-i", "--read-only", "--network", "none", "--entrypoint", "python", IMAGE]
    ended = subprocess.run(
        [*command, "-m", "app", "predict", "-"], input=picture, capture_output=True, check=True, timeout=120
    )
    assert ended.stdout.decode().startswith("-: 7 (")


def test_sigterm_ends_it_with_0(container):
    docker("exec", container, "python", "-c", ASK)
    docker("stop", "--time", "20", container)
    state = json.loads(docker("inspect", container).stdout)[0]["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)


def test_wrong_setting_ends_it_with_one_message():
    ended = docker("run", "--rm", "--env", "MNIST_WORKERS=none", IMAGE, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("mnist-api cannot start: wrong settings:")
    assert "Traceback" not in ended.stderr


def test_tracing_is_refused_where_its_packages_are_not():
    ended = docker("run", "--rm", "--env", "MNIST_TRACING=on", IMAGE, check=False)
    assert ended.returncode == 1
    assert "--build-arg REQUIREMENTS=tracing" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_image_with_tracing_serves():
    """As the message above says. Its spans find no collector here, and that stops no answer."""
    traced, build = f"{IMAGE}-traced", "BUILD_ARGS=--build-arg REQUIREMENTS=tracing"
    subprocess.run(["make", "image", f"IMAGE={traced}", "ARCHIVE=", build], cwd=ROOT, check=True, timeout=600)
    serves = 'gunicorn -c app/gunicorn.conf.py & until python -c "$ASK" 2>/dev/null; do :; done; kill $! && wait $!'
    command = ["--env", "MNIST_TRACING=on", "--env", f"ASK={ASK}", "--entrypoint", "sh", traced, "-ec", serves]
    try:
        ended = docker("run", "--rm", "--read-only", "--network", "none", *command)
        assert json.loads(ended.stdout.partition("\n")[0])["prediction"] == 7
    finally:
        docker("image", "rm", traced)


def test_same_commit_gives_the_same_layers(image):
    """Built again without the cache; the base's layers and ours, by their content."""
    again = f"{IMAGE}-again"
    build = ["make", "image", f"IMAGE={again}", "ARCHIVE=", "BUILD_ARGS=--no-cache"]
    subprocess.run(build, cwd=ROOT, check=True, timeout=600)
    try:
        assert json.loads(docker("image", "inspect", again).stdout)[0]["RootFS"] == image["RootFS"]
    finally:
        docker("image", "rm", again)


def test_predicts_where_there_is_no_room_for_metrics(container):
    """Workers that die, and those that come after them, find /dev/shm full."""

    def python(code):
        return docker("exec", container, "python", "-c", code).stdout

    assert "No space left" in python(FILL)
    for _ in range(3):
        assert '"prediction": 7' in python(ASK)
        assert python(KILL)
    assert '"prediction": 7' in python(ASK)
    assert "no room for metrics" in docker("logs", container).stderr
    assert "mnist_predictions_total" in python(ASK)
