"""Killed before any change that it makes, a command leaves what its second run completes."""

from itertools import count

import pytest

from tests.tracking.killing import KILLED


@pytest.fixture(scope="module")
def stages(repository):
    """The repository's states on the way from one champion to the next and back, saved by name."""
    repository.restore("unknown")
    steps = {
        "adopted": lambda: repository.promote("--adopt"),
        "retrained": lambda: repository.retrain("second"),
        "promoted": lambda: (repository.commit(), repository.promote())[1],
        "third": lambda: repository.retrain("third"),
        "third promoted": lambda: (repository.commit(), repository.promote())[1],
        "rolled back": repository.rollback,
    }
    for name, step in steps.items():
        ended = step()
        assert ended.code == 0, f"{name}: {ended.output}"
        repository.save(name)
    return repository


COMMANDS = {
    "adopt": ("unknown", "promotion", "promote", "--adopt"),
    "retrain": ("adopted", "retrain", "--out", "runs/second"),
    "failing retrain": ("adopted", "retrain", "--out", "runs/poor"),
    "promote": ("committed", "promotion", "promote"),
    "rollback": ("promoted", "promotion", "rollback"),
    "rollback further": ("rolled back", "promotion", "rollback", "--to", "1"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_second_run_completes_what_a_killed_one_began(stages, name):
    before, *command = COMMANDS[name]
    if before == "committed":
        stages.restore("retrained")
        stages.commit()
        stages.save("committed")
    stages.restore(before)
    undisturbed = stages.run(*command)
    files, status = stages.files(), stages.git("status", "--porcelain")
    assert not [path for path in files if "/." in path]

    for kills in count(1):
        stages.restore(before)
        killed = stages.run(*command, kill_before=kills)
        if killed.code != KILLED:
            break
        repeated = stages.run(*command)
        said = f"killed before change {kills}: {repeated.output}"
        assert repeated.code == undisturbed.code, said
        assert repeated.store == undisturbed.store, said
        assert (stages.files(), stages.git("status", "--porcelain")) == (files, status), said
    assert (killed.code, killed.store) == (undisturbed.code, undisturbed.store)
    assert kills >= 3
