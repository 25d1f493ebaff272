"""The evidence over seeds: what runs must have in common, and what is measured of each."""

import json
import shutil

import pytest

from app import bundle
from training import seeds
from training.seeds import SeedsError, recipe

CONFIG = {"arch": "mlp", "epochs": 3, "seed": 0}


@pytest.fixture(scope="module")
def runs(finished, tmp_path_factory):
    """Two folders of the same run; the second says that its seed was 1."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        shutil.copytree(finished.out, folder / str(seed))
        path = folder / str(seed) / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"seed": seed}))
    return folder


def test_recipe_is_all_but_the_seed():
    assert recipe({"a": CONFIG, "b": CONFIG | {"seed": 7}}) == {"arch": "mlp", "epochs": 3}


@pytest.mark.parametrize(
    ("configs", "reason"),
    [
        ([CONFIG], "1 run has no spread"),
        ([CONFIG, CONFIG], "two runs have the same seed: 0, 0"),
        ([CONFIG, CONFIG | {"seed": 1, "epochs": 4}], "runs/1 differs from runs/0 in more than its seed: epochs"),
    ],
)
def test_runs_that_are_no_sample_are_refused(configs, reason):
    with pytest.raises(SeedsError, match=reason):
        recipe({f"runs/{place}": config for place, config in enumerate(configs)})


def test_command_measures_each_run_in_both_precisions(finished, runs, tmp_path, capsys):
    path = tmp_path / "evidence.json"
    assert seeds.main([str(path), str(runs / "1"), str(runs / "0")]) == 0
    evidence = json.loads(path.read_text())
    assert evidence["dataset"] == "digits"
    assert evidence["recipe"]["arch"] == "mlp"
    assert [run["seed"] for run in evidence["runs"]] == [0, 1]
    manifest = bundle.read(finished.out / "bundle").manifest
    for run in evidence["runs"]:
        float32, int8 = run["float32"], run["int8"]
        assert float32["test_accuracy"] == manifest.metrics["accuracy"]
        assert float32["test_ece"] == pytest.approx(manifest.metrics["ece"])
        assert min(float32["test_class_recall"]) == float32["test_worst_class_recall"]
        assert int8["bytes"] < float32["bytes"] / 3
        assert float32["validation_corrupted_accuracy"] < float32["validation_accuracy"]
        assert run["parameters"] == 407_050
    assert capsys.readouterr().out.splitlines()[0].startswith(f"{runs / '1'}: reads ")


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_folder_that_is_no_run_is_one_line(runs, tmp_path, capsys, name):
    (tmp_path / "empty").mkdir()
    assert seeds.main([str(tmp_path / "evidence.json"), str(runs / "0"), str(tmp_path / name)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / name} is no run's folder")
    assert not (tmp_path / "evidence.json").exists()
