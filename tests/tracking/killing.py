"""Runs a command in a process of its own, which can be made to kill itself before its n-th change of anything.

A change is a call that alters MLflow's store, or moves a folder or removes one: how folders are made and filled is
left to the cheaper tests of training.champion. The processes are forked from one that has imported what takes seconds.
"""

import contextlib
import importlib
import json
import multiprocessing
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow

from tests.serving import ROOT

KILLED = -signal.SIGKILL
CHANGES_FOLDERS = ("rename", "replace", "rmdir")
CHANGES_STORE = re.compile("(create|delete|download|log|set|update)_")
PRELOADED = (
    *("mlflow.store.model_registry.sqlalchemy_store", "mlflow.store.tracking.sqlalchemy_store"),
    *("sklearn.datasets", "training.promotion", "training.retrain", __name__),
)
STORE = "sqlite:///mlflow.db"
DIFFERS_EACH_TIME = ("promoted_at", "promoted_commit", "restored_at", "rolled_back_at")
TAGS_OF_RUN = ("model_sha256", "gate", "gate_failed_rules")


@dataclass(frozen=True)
class Ended:
    """An ended command: its exit code, what it printed, and what MLflow's store held then, unless it was killed."""

    code: int
    output: str
    store: dict[str, Any]


def run(folder: Path, module: str, *arguments: str, kill_before: int | None = None) -> Ended:
    """Run a module's `main` in a folder, where it finds MLflow's store; kill it before the n-th change if asked."""
    printed, store = folder.with_name("printed"), folder.with_name("store")
    store.write_text("{}")
    process = _context().Process(target=_run, args=(folder, printed, store, module, arguments, kill_before))
    process.start()
    process.join()
    ended = Ended(process.exitcode, printed.read_text(), json.loads(store.read_text()))
    process.close()
    return ended


def _context():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    os.environ["PYTHONPATH"] = str(ROOT)
    return context


def _run(folder, printed, store, module, arguments, kill_before):
    os.chdir(folder)
    for name in [name for name in os.environ if name.startswith(("MNIST_", "MLFLOW_"))]:
        del os.environ[name]
    main = importlib.import_module(module).main
    if kill_before is not None:
        _kill_before(kill_before)
    with printed.open("w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        code = main(list(arguments))
    store.write_text(json.dumps(_contents(), sort_keys=True))
    os._exit(code)


def _kill_before(number):
    left = number

    def counted(change):
        def changed(*arguments, **keywords):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return change(*arguments, **keywords)

        return changed

    for name in CHANGES_FOLDERS:
        setattr(os, name, counted(getattr(os, name)))
    for name in vars(mlflow.MlflowClient):
        if CHANGES_STORE.match(name):
            setattr(mlflow.MlflowClient, name, counted(getattr(mlflow.MlflowClient, name)))


def _contents():
    """What the store holds, but for ids and times."""
    client = mlflow.MlflowClient(STORE, registry_uri=STORE)
    aliases = [model.aliases for model in client.search_registered_models()]
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    return {
        "aliases": {alias: str(number) for each in aliases for alias, number in each.items()},
        "versions": {
            str(version.version): {name: tag for name, tag in version.tags.items() if name not in DIFFERS_EACH_TIME}
            for version in client.search_model_versions()
        },
        "runs": sorted(
            [
                run.info.status,
                *(run.data.tags.get(name, "") for name in TAGS_OF_RUN),
                *sorted(artifact.path for artifact in client.list_artifacts(run.info.run_id)),
            ]
            for run in runs
        ),
    }
