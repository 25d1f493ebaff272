"""Recording rules and alerts, run by promtool; and that the cases in the YAML files leave no alert out."""

import os
import re

import pytest
import yaml

from tests.alerts.rules import ALERTS, GROUPS, RULES, run
from tests.alerts.test_drift import DRIFT
from tests.serving import ROOT

HERE = ROOT / "tests" / "alerts"
CASES = sorted(HERE.glob("*.yaml"))


def rendered_rules():
    values = ROOT / "helm" / "mnist-api" / "ci" / "full-values.yaml"
    chart = [os.environ.get("HELM", "helm"), "template", "mnist", str(ROOT / "helm" / "mnist-api")]
    document = run(*chart, "--values", str(values), "--show-only", "templates/prometheusrule.yaml")
    return yaml.safe_dump(yaml.safe_load(document)["spec"])


@pytest.mark.parametrize("text", [RULES.read_text, rendered_rules], ids=["file", "chart"])
def test_prometheus_takes_the_rules(tmp_path, text):
    path = tmp_path / "rules.yaml"
    path.write_text(text())
    said = run("promtool", "check", "rules", str(path))
    assert f"{sum(len(group['rules']) for group in GROUPS)} rules found" in said


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path):
    run("promtool", "test", "rules", str(path))


# The others have theirs in test_drift.py.
@pytest.mark.parametrize("alert", sorted(ALERTS.keys() - DRIFT.keys()))
def test_every_alert_has_a_case_that_fires_and_one_that_does_not(alert):
    groups = [group for path in CASES for group in yaml.safe_load(path.read_text())["tests"]]
    cases = [case for group in groups for case in group.get("alert_rule_test", []) if case["alertname"] == alert]
    assert any(case["exp_alerts"] for case in cases)
    assert any(not case["exp_alerts"] for case in cases)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_how_urgent_it_is_and_where_help_is(alert):
    rule = ALERTS[alert]
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"RUNBOOK.md#{alert.lower()}"
    assert "{{ $labels.job }}" in rule["annotations"]["summary"]


@pytest.mark.parametrize(("alert", "ratio", "budget"), [("Errors", "error", 0.001), ("Latency", "slow", 0.01)])
@pytest.mark.parametrize(
    ("severity", "burns"),
    [
        ("Page", [(14.4, "1h", "5m"), (6, "6h", "30m")]),
        ("Ticket", [(3, "1d", "2h"), (1, "3d", "6h")]),
    ],
)
def test_budgets_burn_as_in_the_workbook(alert, ratio, budget, severity, burns):
    """https://sre.google/workbook/alerting-on-slos/: both windows of a pair compare with the same number."""
    record = f"mnist:request_{ratio}_ratio:rate"
    pairs = [
        [f'{record}{window}{{job="mnist-api"}} > {times} * {budget}' for window in windows] for times, *windows in burns
    ]
    expected = " or ".join(f"({long} and {short})" for long, short in pairs)
    assert " ".join(ALERTS[f"MnistApi{alert}{severity}"]["expr"].split()) == expected


def test_every_selector_names_the_job():
    """So that the chart can give each release rules that watch nothing else."""
    for rule in (rule for group in GROUPS for rule in group["rules"]):
        selectors = re.findall(r"\b(?:mnist[_:][a-z0-9_:]+|up\b)(\{[^}]*)?", rule["expr"])
        assert selectors, rule
        for matchers in selectors:
            assert matchers.startswith('{job="mnist-api"'), rule


def test_durations_stand_where_a_program_finds_them():
    """In brackets and in `for`, with one unit: then a demonstration can run in a sixtieth of the time."""
    for rule in (rule for group in GROUPS for rule in group["rules"]):
        assert re.fullmatch(r"\d+[mhd]", rule.get("for", "0m"))
        for window in re.findall(r"\[(.*?)\]", re.sub(r'"[^"]*"', "", rule["expr"])):
            assert re.fullmatch(r"\d+[mhd]", window)
