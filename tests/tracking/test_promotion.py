"""Retrain, promote and rollback on a repository with real git and a real store: what they do, and what they refuse."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import bundle
from tests.tracking.conftest import Repository
from tests.training.conftest import training_environment


def sha256_of(repository: Repository, folder: str) -> str:
    return bundle.read(repository.folder / folder).manifest.sha256


def committed_sha256(repository: Repository) -> str:
    return json.loads(repository.git("show", "HEAD:deploy/model/manifest.json"))["model"]["sha256"]


def champion_sha256(store: dict) -> str:
    return store["versions"][store["aliases"]["champion"]]["model_sha256"] if "champion" in store["aliases"] else ""


def reported(repository: Repository, folder: str) -> str:
    """The version whose report a folder holds, as its first line says, or "" if there is none."""
    path = repository.folder / folder / "report" / "report.md"
    return path.read_text().splitlines()[0].removeprefix("# mlp_digits ") if path.exists() else ""


def version_of(repository: Repository, folder: str) -> str:
    return bundle.read(repository.folder / folder).manifest.version


def refused(ended, *words: str) -> bool:
    assert all(word in ended.output for word in words), ended.output
    return ended.code != 0 and ended.output.startswith("error: ") and ended.output.count("\n") == 1


@pytest.fixture
def promoted(unknown) -> Repository:
    """The run "first" is version 1, and "second" version 2 and the champion."""
    for step in (lambda: unknown.promote("--adopt"), lambda: unknown.retrain("second")):
        assert step().code == 0
    unknown.commit()
    assert unknown.promote().code == 0
    return unknown


def test_from_a_first_champion_to_the_next_and_back(unknown):
    assert refused(unknown.promote(), "ARGS=--adopt")
    assert refused(unknown.rollback(), "make promote")
    adopted = unknown.promote("--adopt").store
    assert adopted["aliases"] == {"champion": "1"}
    assert adopted["versions"]["1"].items() >= {"adopted": "true", "replaced": ""}.items()
    assert "already" in unknown.promote().output
    assert refused(unknown.rollback(), "first champion")

    retrained = unknown.retrain("second").store
    assert retrained["aliases"] == {"champion": "1", "challenger": "2"}
    tags = retrained["versions"]["2"]
    manifest = bundle.read(unknown.folder / "deploy" / "model").manifest
    assert tags["model_sha256"] == manifest.sha256 == sha256_of(unknown, "runs/second/bundle")
    assert tags["gate"] == "passed"
    assert (tags["data_sha256"], tags["git_commit"]) == (manifest.lineage["data_sha256"], "unknown")
    assert reported(unknown, "deploy") == manifest.version
    text = (unknown.folder / "deploy" / "report" / "report.md").read_text()
    first = version_of(unknown, "runs/first/bundle")
    assert f"passes the gate against the champion, mlp_digits {first}: all 7 rules hold." in text
    assert "| accuracy | pass | The candidate reads " in text
    assert refused(unknown.promote(), "differs from the commit")

    unknown.commit()
    assert refused(unknown.rollback(), "make promote")
    promoted = unknown.promote().store
    assert promoted["aliases"] == {"champion": "2"}
    assert promoted["versions"]["2"]["replaced"] == "1"
    assert refused(unknown.rollback("--to", "7"), "never the champion")

    back = unknown.rollback()
    assert (back.code, back.store["aliases"]) == (0, {"champion": "1"}), back.output
    assert sha256_of(unknown, "deploy/model") == sha256_of(unknown, "runs/first/bundle")
    assert not (unknown.folder / "deploy" / "report").exists()
    again = unknown.rollback()
    assert (again.code, again.store) == (0, back.store)
    assert "rolled back from version 2" in again.output
    unknown.commit()
    assert "already" in unknown.promote().output
    assert "rolled back from version 2" in unknown.rollback().output


def test_reverting_the_merge_and_promoting_rolls_back(promoted):
    """As on GitHub, where every merge that changes deploy/model is followed by `make promote`."""
    promoted.git("revert", "--no-edit", "HEAD")
    back = promoted.promote()
    assert (back.code, back.store["aliases"]) == (0, {"champion": "1"}), back.output
    assert back.store["versions"]["1"]["restored_from"] == "2"
    assert sha256_of(promoted, "deploy/model") == sha256_of(promoted, "runs/first/bundle")
    promoted.git("revert", "--no-edit", "HEAD")
    again = promoted.promote()
    assert (again.code, again.store["aliases"]) == (0, {"champion": "2"}), again.output
    assert sha256_of(promoted, "deploy/model") == sha256_of(promoted, "runs/second/bundle")


def test_server_that_is_down_stops_promotion_at_once(promoted):
    files, status = promoted.files(), promoted.git("status", "--porcelain")
    ended = subprocess.run(
        [sys.executable, "-m", "training.promotion", "promote"],
        cwd=promoted.folder,
        env=training_environment(promoted.folder.parent, MLFLOW_TRACKING_URI="http://127.0.0.1:9"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: the MLflow server at http://127.0.0.1:9 does not answer")
    assert (promoted.files(), promoted.git("status", "--porcelain")) == (files, status)
    assert "already" in promoted.promote().output


def test_failed_candidate_changes_nothing_but_its_run(unknown):
    before = unknown.promote("--adopt")
    files = unknown.files()
    ended = unknown.retrain("poor")
    assert ended.code == 1
    assert "FAIL  accuracy: reads" in ended.output
    (judged,) = (run for run in ended.store["runs"] if run[2])
    assert judged[2] == "failed"
    assert judged[3].startswith("accuracy, ")
    assert ended.store["versions"] == before.store["versions"]
    assert ended.store["aliases"] == before.store["aliases"]
    changed = {path for path, sha256 in unknown.files().items() if files.get(path) != sha256}
    assert changed == {"runs/poor/gate.json", "runs/poor/report/comparison.png"}
    text = (unknown.folder / "runs" / "poor" / "report" / "report.md").read_text()
    assert "fails the gate against the champion" in text
    assert "| accuracy | FAIL | The candidate reads " in text
    candidate = ["runs/poor/bundle", "deploy/model"]
    assert unknown.run("judge", *candidate).code == 1
    assert unknown.run("judge", *reversed(candidate)).code == 0


def test_verdict_is_given_once(promoted):
    verdict = promoted.folder / "runs" / "second" / "gate.json"
    given = verdict.read_text()
    assert promoted.retrain("second").code == 0
    assert verdict.read_text() == given
    # Against another champion it is another question.
    assert promoted.retrain("third").code == 0
    assert promoted.retrain("second").code == 0
    assert json.loads(verdict.read_text())["champion"] == sha256_of(promoted, "runs/third/bundle")


def test_committed_model_that_failed_is_not_promoted(promoted):
    assert promoted.retrain("poor").code == 1
    model = promoted.folder / "deploy" / "model"
    shutil.copytree(promoted.folder / "runs" / "poor" / "bundle", model, dirs_exist_ok=True)
    promoted.commit()
    assert refused(promoted.promote(), "holds no version")


def test_run_that_was_killed_while_it_was_logged_is_not_registered(unknown):
    with closing(sqlite3.connect(unknown.folder / "mlflow.db")) as store, store:
        store.execute("UPDATE runs SET status = 'RUNNING'")
    files = unknown.files()
    assert "is RUNNING in MLflow" in unknown.retrain("second").output
    changed = {path for path, sha256 in unknown.files().items() if files.get(path) != sha256}
    assert changed == {"runs/second/gate.json", "runs/second/report/comparison.png"}


def test_rollback_needs_no_git_history(promoted):
    promoted.git("checkout", "--quiet", "--orphan", "shallow")
    promoted.commit()
    assert promoted.rollback().code == 0
    assert sha256_of(promoted, "deploy/model") == sha256_of(promoted, "runs/first/bundle")
    promoted.commit()
    assert promoted.rollback("--to", "2").code == 0
    assert reported(promoted, "deploy") == version_of(promoted, "runs/second/bundle")


def test_rollback_overwrites_nothing_that_is_nowhere_else(promoted):
    assert promoted.retrain("third").code == 0
    assert refused(promoted.rollback(), "neither committed nor")
    promoted.git("checkout", "--", "deploy")
    (promoted.folder / "deploy" / "model" / "notes.txt").write_text("mine")
    assert refused(promoted.rollback(), "neither committed nor")


def test_other_flags_for_a_run_that_is_there_are_refused(unknown):
    ended = unknown.retrain("second", "--arch", "cnn")
    assert refused(ended, "another arch")
    assert ended.code == 2


STEPS = {
    "retrain second": lambda repository: repository.retrain("second"),
    "retrain third": lambda repository: repository.retrain("third"),
    "promote": lambda repository: repository.promote(),
    "rollback": lambda repository: repository.rollback(),
    "rollback to 1": lambda repository: repository.rollback("--to", "1"),
    "rollback to 2": lambda repository: repository.rollback("--to", "2"),
    "merge": lambda repository: repository.commit(),
    "merge and promote": lambda repository: (repository.commit(), repository.promote())[1],
    "give up": lambda repository: repository.give_up(),
    "revert": lambda repository: repository.revert(),
}


@settings(max_examples=8, deadline=None, derandomize=True)
@given(steps=st.lists(st.sampled_from(sorted(STEPS)), min_size=3, max_size=8))
def test_registry_and_repository_agree_or_the_commands_say_so(repository, steps):
    repository.restore("unknown")
    store = repository.promote("--adopt").store
    names = {sha256_of(repository, f"runs/{name}/bundle"): name for name in ("first", "second", "third")}
    for step in steps:
        files, before, head = repository.files(), store, committed_sha256(repository)
        ended = STEPS[step](repository)
        here = sha256_of(repository, "deploy/model")
        # The first was there before there was a report.
        assert reported(repository, "deploy") == (
            "" if names[here] == "first" else version_of(repository, "deploy/model")
        )
        if ended is None:
            continue
        store = ended.store
        if ended.code:
            assert refused(ended)
            assert (repository.files(), store) == (files, before)
        elif "promote" in step:
            assert champion_sha256(store) == committed_sha256(repository) == here
            assert store["aliases"].get("challenger") != store["aliases"]["champion"]
        elif "rollback" in step:
            assert champion_sha256(store) == here
            left = store["versions"][store["aliases"]["champion"]].get("restored_from")
            assert head == here or head == store["versions"][left]["model_sha256"]
        else:
            assert champion_sha256(store) == champion_sha256(before)
            assert here == sha256_of(repository, f"runs/{step.split()[1]}/bundle")
