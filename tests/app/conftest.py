"""The champion as an application in this process, and as a real server."""

import json

import pytest

from app import model
from app.config import Settings
from app.main import create_app
from tests.serving import CHAMPION, Server
from tests.ways import LaneClient


@pytest.fixture(scope="session")
def classifier():
    return model.load(CHAMPION)


@pytest.fixture(scope="session")
def golden(classifier):
    return classifier.bundle.golden.cases


@pytest.fixture(scope="session")
def tolerance(classifier):
    """How far a probability may be from the golden one: a champion of int8 rounds as this machine does."""
    return classifier.bundle.golden.tolerance


@pytest.fixture
def app(classifier):
    return create_app(Settings(), classifier)


@pytest.fixture(params=["flask", "lane"])
def client(request, app):
    """Two clients, so that whatever is true of one way to an answer is true of the other."""
    if request.param == "lane":
        app.test_client_class = LaneClient
    return app.test_client()


@pytest.fixture
def sample(app):
    """A function that reads one value of the application's metrics, 0 if nothing was counted."""
    return lambda name, **labels: app.extensions["metrics"].registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def predict(client):
    """A function that posts a JSON value to /predict."""
    return lambda value: client.post("/predict", data=json.dumps(value), content_type="application/json")


@pytest.fixture
def start_server():
    """A function that starts a server with the settings it is given; all are stopped after the test."""
    servers: list[Server] = []

    def start(environment=None, **settings):
        servers.append(Server(environment, **settings))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="session")
def server():
    """One server of two workers for all tests that only send requests.

    It refuses none for overload: on a slow machine, a few clients at once are one.
    """
    running = Server(workers=2, queue_ms=60_000)
    yield running
    assert running.stop() == 0
