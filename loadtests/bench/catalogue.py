"""Who is compared: how each is started, asked and read. Standard library only.

Each has one worker on one core, runs as its own documentation says, and logs what it logs by default in production.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.bench import questions
from loadtests.bench.questions import MODEL, Constant, Question
from loadtests.service import ROOT

PEERS_FOLDER = Path(__file__).parent / "peers"
SERVICE, FLOOR = "service", "floor"
GUNICORN_CONSTANT = ("gunicorn", "--worker-class=gevent", "--bind=127.0.0.1:{port}")


@dataclass(frozen=True)
class Peer:
    """Something that answers. In `command` and `environment`, {port}, {other}, {third} are free ports, {home} a folder.

    `prepare` runs before it is measured, and `left_out` says why it never is.
    """

    name: str  # as PEERS= names it
    title: str
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    prepare: tuple[str, ...] = ()
    path: str = "/predict"
    ask: Callable[[list[float]], Any] = lambda image: {"image": image}
    read: Callable[[Any], list[float]] = questions.probabilities
    is_floor: bool = False
    left_out: str = ""

    @property
    def folder(self) -> Path:
        """Where its command runs."""
        return ROOT if self.name == SERVICE else PEERS_FOLDER / ("floor" if self.is_floor else self.name)

    @property
    def requirements(self) -> Path:
        """The pins of its environment. Floors have the service's."""
        ours = self.is_floor or self.name == SERVICE
        return ROOT / "requirements" / "serve.txt" if ours else self.folder / "requirements.txt"

    @property
    def is_peer(self) -> bool:
        return not self.is_floor and self.name != SERVICE

    def questions(self) -> Sequence[Question | Constant]:
        """The golden images in this peer's words."""
        return questions.constants() if self.is_floor else questions.singles(self.ask, self.read)


SHARED = {"BENCH_MODEL": str(MODEL), "PYTHONPATH": str(PEERS_FOLDER)}

CATALOGUE = (
    Peer(
        SERVICE,
        "this service",
        ("gunicorn", "-c", "app/gunicorn.conf.py"),
        {"MNIST_PORT": "{port}", "MNIST_METRICS_PORT": "{other}", "MNIST_WORKERS": "1"},
    ),
    Peer(
        FLOOR,
        "gunicorn, a constant",
        (*GUNICORN_CONSTANT, "constant:bare"),
        {"BENCH_ANSWER": questions.constant().decode()},
        is_floor=True,
    ),
    Peer(
        "flask",
        "Flask, a constant",
        (*GUNICORN_CONSTANT, "constant:flask"),
        {"BENCH_ANSWER": questions.constant().decode()},
        is_floor=True,
    ),
    Peer(
        "fastapi",
        "FastAPI and LiteRT by hand",
        ("uvicorn", "service:app", "--port={port}"),
        SHARED,
    ),
    Peer(
        "mlserver",
        "MLServer",
        ("mlserver", "start", "."),
        SHARED | {"MLSERVER_HTTP_PORT": "{port}", "MLSERVER_GRPC_PORT": "{other}", "MLSERVER_METRICS_PORT": "{third}"},
        path="/v2/models/mnist/infer",
        ask=lambda image: {"inputs": [{"name": "image", "shape": [1, 784], "datatype": "FP32", "data": image}]},
        read=lambda answer: answer["outputs"][0]["data"],
    ),
    Peer(
        "kserve",
        "KServe",
        ("python", "service.py", "--http_port={port}", "--enable_grpc=false"),
        SHARED,
        path="/v1/models/mnist:predict",
        ask=lambda image: {"instances": [image]},
        read=lambda answer: answer["predictions"][0],
    ),
    Peer(
        "litserve",
        "LitServe",
        ("python", "service.py", "{port}"),
        SHARED,
        read=lambda answer: answer["probabilities"],
    ),
    Peer(
        "bentoml",
        "BentoML",
        ("bentoml", "serve", "service:Mnist", "--host=127.0.0.1", "--port={port}"),
        SHARED | {"BENTOML_DO_NOT_TRACK": "true"},
        ask=lambda image: {"image": [image]},
        read=lambda answer: answer[0],
    ),
    Peer(
        "flask_tensorflow",
        "Flask and Keras, naive",
        ("gunicorn", "--bind=127.0.0.1:{port}", "--worker-class=gthread", "--timeout=120", "service:app"),
        SHARED | {"BENCH_NETWORK": "{home}/network.keras"},
        ("python", "../keras_network.py", "{home}/network.keras"),
    ),
    Peer(
        "mlflow",
        "mlflow models serve",
        ("mlflow", "models", "serve", "--env-manager=local", "--model-uri={home}/model", "--port={port}"),
        SHARED | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        ("python", "save.py", "{home}/model"),
        path="/invocations",
        ask=lambda image: {"inputs": [image]},
        read=lambda answer: answer["predictions"][0],
    ),
    Peer(
        "tensorflow_serving",
        "TensorFlow Serving",
        left_out="its server is no Python package: it comes as a container image or from an apt repository",
    ),
)
