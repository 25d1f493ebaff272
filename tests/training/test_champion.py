"""The champion's place: what takes it, and what is left when taking it is interrupted. tests/tracking has the kills."""

import os
import shutil

import pytest

from app import bundle
from app.bundle import BundleError
from tests.serving import CHAMPION
from training import champion

CHANGES = ("rename", "mkdir", "unlink", "rmdir")


@pytest.fixture
def place(tmp_path):
    """A place that holds the champion and its report."""
    shutil.copytree(CHAMPION, tmp_path / "deploy" / "model")
    report = tmp_path / "deploy" / "report"
    report.mkdir()
    (report / "report.md").write_text("old")
    return tmp_path / "deploy" / "model"


@pytest.fixture
def out(tmp_path):
    """A run's folder, whose Bundle differs from the champion in its version, without a report."""
    shutil.copytree(CHAMPION, tmp_path / "run" / "bundle")
    manifest = tmp_path / "run" / "bundle" / "manifest.json"
    version = bundle.read(CHAMPION).manifest.version
    manifest.write_text(manifest.read_text().replace(version, "next"))
    return tmp_path / "run"


def add_report(out):
    (out / "report").mkdir()
    (out / "report" / "report.md").write_text("new")


def held(place):
    """The version in the champion's place, what its report says, and the names beside it."""
    report = place.parent / "report" / "report.md"
    says = report.read_text() if report.exists() else None
    return bundle.read(place).manifest.version, says, *sorted(path.name for path in place.parent.iterdir())


@pytest.mark.parametrize("with_report", [True, False])
def test_bundle_and_report_take_the_place_together(place, out, with_report):
    if with_report:
        add_report(out)
    champion.publish(out, place)
    assert held(place) == (("next", "new", "model", "report") if with_report else ("next", None, "model"))
    assert bundle.read(out / "bundle").manifest.version == "next"


@pytest.mark.parametrize("with_report", [True, False])
def test_interrupted_at_any_change_it_is_all_old_or_all_new_after_recovery(place, out, with_report, monkeypatch):
    if with_report:
        add_report(out)
    old = held(place)
    shutil.copytree(place.parent, place.parent.with_name("saved"))
    outcomes, number = [], 0
    while True:
        number += 1
        with monkeypatch.context() as patched:
            interrupt_before(number, patched)
            try:
                champion.publish(out, place)
            except KeyboardInterrupt:
                pass
            else:
                break
        champion.recover(place)
        outcomes.append(held(place))
        shutil.rmtree(place.parent)
        shutil.copytree(place.parent.with_name("saved"), place.parent)
    new = held(place)
    assert old != new
    assert outcomes == [old] * outcomes.count(old) + [new] * outcomes.count(new)
    assert {*outcomes} == {old, new}


def interrupt_before(number, patched):
    """Make the n-th change of a folder and all after it fail, as if there were no more process to make them."""
    left = number

    def counted(change):
        def changed(*arguments, **keywords):
            nonlocal left
            left -= 1
            if left <= 0:
                raise KeyboardInterrupt
            return change(*arguments, **keywords)

        return changed

    for name in CHANGES:
        patched.setattr(os, name, counted(getattr(os, name)))


def test_what_is_no_bundle_does_not_take_the_place(place, out):
    (out / "bundle" / "model.tflite").write_bytes(b"altered")
    before = held(place)
    with pytest.raises(BundleError, match="altered"):
        champion.publish(out, place)
    assert held(place) == before


def test_outside_a_repository_git_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(champion.ChampionError, match="not a git repository"):
        champion.committed_sha256()
