"""A training run on digits, made once, and a small stand-in for MNIST's files."""

import gzip
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.serving import ROOT

RUN_TIMEOUT_S = 900  # of a command that hangs; a machine that does other things takes minutes for one


def train(folder, *arguments, **environment):
    """Run the command line in a folder, tracking there; give the ended process."""
    return subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        cwd=folder,
        env=training_environment(folder, **environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_TIMEOUT_S,
    )


def training_environment(folder, **environment):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MNIST_", "MLFLOW_"))}
    return inherited | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")} | environment


class FinishedRun:
    """A finished `python -m training --dataset digits`, the folder it ran in and the one it made."""

    def __init__(self, folder):
        self.folder = folder
        self.out = folder / "run"
        self.process = train(folder, "--dataset", "digits", "--epochs", 3, "--out", self.out)
        assert self.process.returncode == 0, self.process.stderr


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    return FinishedRun(tmp_path_factory.mktemp("first"))


def idx(array):
    """The bytes of an IDX file of unsigned bytes."""
    head = np.array([0x0800 + array.ndim, *array.shape], dtype=">u4")
    return head.tobytes() + array.astype(np.uint8).tobytes()


@pytest.fixture
def small_mnist():
    """Four IDX files with few random images, and their sha256 sums: by name, content and sum."""
    random = np.random.default_rng(0)
    contents = {
        "train-images-idx3-ubyte": idx(random.integers(0, 256, (40, 28, 28))),
        "train-labels-idx1-ubyte": idx(random.integers(0, 10, 40)),
        "t10k-images-idx3-ubyte": idx(random.integers(0, 256, (20, 28, 28))),
        "t10k-labels-idx1-ubyte": idx(random.integers(0, 10, 20)),
    }
    return contents, {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def write_files(folder, contents, *, compressed=True):
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        path = folder / (f"{name}.gz" if compressed else name)
        path.write_bytes(gzip.compress(content) if compressed else content)
    return folder
