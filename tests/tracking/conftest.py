"""A real MLflow server; and a repository with a champion of digits, and runs on digits that would follow it."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import ROOT, free_port
from tests.tracking import killing
from tests.training.conftest import RUN_TIMEOUT_S, training_environment

TRAIN = """
from training.__main__ import main
small = ["--dataset", "digits", "--hidden-units", "32"]
for seed, name in enumerate(["first", "second", "third"]):
    assert main([*small, "--epochs", "8", "--seed", str(seed), "--out", f"runs/{name}"]) == 0
assert main([*small, "--epochs", "3", "--out", "runs/poor"]) == 0
"""


@pytest.fixture
def mlflow_server(tmp_path):
    """`mlflow server` on loopback, with a database and an artifact store of its own."""
    port = free_port()
    folder = tmp_path / "server"
    folder.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = [
        "--backend-store-uri",
        f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    # Without its helpers for jobs: they outlive it by as long as they take to start, and hold its output open.
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with subprocess.Popen(
        [*command, *stores], cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as running:
        try:
            assert any("startup complete" in line for line in running.stderr)
            yield f"http://127.0.0.1:{port}", folder
        finally:
            running.terminate()
            running.communicate(timeout=RUN_TIMEOUT_S)


class Repository:
    """A repository whose states can be saved. Its folder is always the same, which the paths in MLflow's store name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, module: str, *arguments: str, kill_before: int | None = None) -> killing.Ended:
        return killing.run(self.folder, f"training.{module}", *arguments, kill_before=kill_before)

    def retrain(self, name: str, *arguments: str) -> killing.Ended:
        return self.run("retrain", "--out", f"runs/{name}", *arguments)

    def promote(self, *arguments: str) -> killing.Ended:
        return self.run("promotion", "promote", *arguments)

    def rollback(self, *arguments: str) -> killing.Ended:
        return self.run("promotion", "rollback", *arguments)

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
        command = ["git", *who, "-c", "commit.gpgsign=false", *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")

    def give_up(self) -> None:
        """Forget what is not committed."""
        self.git("reset", "--quiet", "--hard")
        self.git("clean", "--quiet", "-d", "--force")

    def revert(self) -> None:
        """Commit the champion of the commit before, if there is one."""
        self.give_up()
        if self.git("rev-list", "--count", "HEAD") != "1\n":
            self.git("rm", "--quiet", "-r", "deploy")
            self.git("checkout", "--quiet", "HEAD~1", "--", "deploy")
            self.commit()

    def save(self, name: str) -> None:
        shutil.copytree(self.folder, self.folder.with_name(name), symlinks=True)

    def restore(self, name: str) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.folder.with_name(name), self.folder, symlinks=True)

    def files(self) -> dict[str, str]:
        """Every file that is neither git's nor MLflow's: its sha256, or "" for one that holds the Gate's times."""
        found = [path for top in ("deploy", "runs") for path in (self.folder / top).rglob("*") if path.is_file()]
        return {
            str(path.relative_to(self.folder)): ""
            if path.name in {"gate.json", "report.md", "report.html"}
            else hashlib.sha256(path.read_bytes()).hexdigest()
            for path in found
        }


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> Repository:
    """The repository, saved as "unknown": the registry does not know its champion, of the run "first"."""
    folder = tmp_path_factory.mktemp("repository") / "work"
    folder.mkdir()
    trained = subprocess.run(
        [sys.executable, "-c", TRAIN],
        cwd=folder,
        env=training_environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_TIMEOUT_S,
    )
    assert trained.returncode == 0, trained.stderr
    shutil.copy(ROOT / ".gitignore", folder)
    (folder / "deploy").mkdir()
    shutil.copytree(folder / "runs" / "first" / "bundle", folder / "deploy" / "model")
    made = Repository(folder)
    made.git("init", "--quiet", "--initial-branch=main")
    made.commit()
    made.save("unknown")
    return made


@pytest.fixture
def unknown(repository) -> Repository:
    """The repository whose champion the registry does not know."""
    repository.restore("unknown")
    return repository
