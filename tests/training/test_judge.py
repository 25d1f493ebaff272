"""The judge through its command line, on digits."""

import json
from dataclasses import replace

import pytest

from tests.serving import CHAMPION
from training import data, judge, retrain
from training.gate import GateError, Policy
from training.judge import SMOKE, Verdict


def test_champion_passes_against_itself(finished, capsys):
    champion = finished.out / "bundle"
    assert judge.main([str(champion), str(champion)]) == 0
    *rules, last = capsys.readouterr().out.splitlines()
    assert len(rules) == 7
    assert all(rule.startswith("pass  ") for rule in rules)
    assert " passed, against the champion " in last


def test_verdict_survives_its_file_and_says_which_rules_failed(finished, tmp_path):
    champion = finished.out / "bundle"
    policy = replace(SMOKE, min_accuracy=1.0, max_size_bytes=1)
    decision = judge.judge(champion, champion, data.load("digits"), policy)
    verdict = Verdict("a" * 64, "b" * 64, policy, decision)
    verdict.write(tmp_path / "gate.json")
    assert judge.read(tmp_path / "gate.json") == verdict
    value = json.loads((tmp_path / "gate.json").read_text())
    assert (value["passed"], value["failed_rules"]) == (False, ["accuracy", "size"])
    assert str(verdict).endswith("The candidate aaaaaaaa FAILED by accuracy, size, against the champion bbbbbbbb.")
    assert [path.name for path in tmp_path.iterdir()] == ["gate.json"]


@pytest.mark.parametrize("text", ["", "{}", '{"candidate": 1, "champion": 2, "policy": {"margin": 7}, "decision": {}}'])
def test_file_that_holds_no_verdict_is_refused(tmp_path, text):
    (tmp_path / "gate.json").write_text(text)
    with pytest.raises(GateError):
        judge.read(tmp_path / "gate.json")


def test_models_of_different_data_are_not_compared(finished, capsys):
    digits, mnist = str(finished.out / "bundle"), str(CHAMPION)
    for pair in ((digits, mnist), (mnist, digits)):
        assert judge.main([*pair]) == 2
        assert "only models of the same data set" in capsys.readouterr().err


def test_digits_are_not_trained_to_follow_a_champion_of_mnist(tmp_path, capsys):
    out = tmp_path / "out"
    assert retrain.main(["--dataset", "digits", "--champion", str(CHAMPION), "--out", str(out)]) == 2
    assert "only models of the same data set" in capsys.readouterr().err
    assert not out.exists()


def test_folder_that_is_no_bundle_is_one_line(tmp_path, capsys):
    assert judge.main([str(tmp_path), str(CHAMPION)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}")


def test_policy_of_digits_is_for_digits_alone():
    assert judge.policy_for("digits") == SMOKE
    assert judge.policy_for("mnist") == Policy()
