"""The committed champion says truly what it is."""

from app import bundle, model
from tests.serving import CHAMPION


def test_champion_was_trained_on_mnist_by_a_commit():
    lineage = bundle.read(CHAMPION).manifest.lineage
    assert lineage["dataset"] == "mnist"
    assert lineage["git_dirty"] is False
    assert len(lineage["git_commit"]) == 40
    assert lineage["train_config"]["dataset"] == "mnist"
    assert lineage["mlflow_run_id"]


def test_champion_is_good_enough():
    metrics = bundle.read(CHAMPION).manifest.metrics
    assert metrics["n_test"] == 10_000
    assert metrics["accuracy"] >= 0.99


def test_champion_reads_its_golden_images_right():
    champion = bundle.read(CHAMPION)
    assert sorted(case.label for case in champion.golden.cases) == list(range(10))
    assert all(case.probabilities.index(max(case.probabilities)) == case.label for case in champion.golden.cases)
    assert model.load(CHAMPION).bundle == champion
