"""A registry on this machine, and small images for two architectures in a checkout."""

import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pytest
import yaml

from tests.serving import START_TIMEOUT_S, free_port
from tests.steps import Checkout


@contextmanager
def listening(command, port):
    """Run a server until the block ends, from when it answers HTTP at its port."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            curl = ["curl", "--silent", "--output", "/dev/null", "--retry-connrefused", "--retry", "60"]
            address = f"http://127.0.0.1:{port}/"
            subprocess.run([*curl, "--retry-delay", "1", address], check=True, timeout=START_TIMEOUT_S)
            yield
        finally:
            process.terminate()


@contextmanager
def running_registry(folder, **options):
    """Run an empty registry, with further options of its configuration; give its address, as host:port."""
    port = free_port()
    storage = {"filesystem": {"rootdirectory": str(folder / "data")}}
    config = {"version": 0.1, "log": {"level": "error"}, "storage": storage, "http": {"addr": f"127.0.0.1:{port}"}}
    (folder / "config.yml").write_text(yaml.safe_dump(config | options))
    with listening(["docker-registry", "serve", str(folder / "config.yml")], port):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """The address of an empty registry."""
    with running_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def digests(checkout, tmp_path_factory):
    """What `save` says of an image for each architecture, whose archives it leaves in the checkout's dist/."""
    found, context = {}, tmp_path_factory.mktemp("context")
    for architecture in ("amd64", "arm64"):
        name = f"mnist-api-delivery:{architecture}"
        (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
        build = ["docker", "build", "--quiet", "--platform", f"linux/{architecture}", "--tag", name, str(context)]
        subprocess.run(build, stdout=subprocess.DEVNULL, check=True)
        command = [sys.executable, "-m", "deploy.github.image", "save", name]
        said = subprocess.run(command, cwd=checkout.root, capture_output=True, text=True, check=True).stdout
        found |= dict([said.strip().split("=", 1)])
        subprocess.run(["docker", "image", "rm", name], stdout=subprocess.DEVNULL, check=True)
    return found


def ask(address):
    with urllib.request.urlopen(address, timeout=5) as answer:
        return answer.read().decode()
