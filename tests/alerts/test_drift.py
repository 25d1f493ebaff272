"""The rules' figures of drift are those computed without Prometheus, and the alerts fire at their thresholds.

Thresholds change with the champion: they are read from the rules, and held to the simulation by tests/contract.
"""

import re

import numpy as np
import pytest
import yaml

from tests.alerts import drift
from tests.alerts.rules import ALERTS, RULES, run

# Alert -> what drifts, the figure that shows it, and what the alert says.
DRIFT = {
    "MnistModelClassDrift": (
        "class",
        "mnist:class_psi:1h",
        "the model predicts digits in other shares than on the validation images.",
    ),
    "MnistModelConfidenceDrift": (
        "confidence",
        "mnist:confidence_psi:1h",
        "the model is sure of its predictions to another degree than on the validation images.",
    ),
    "MnistModelIntensityDrift": (
        "intensity",
        "mnist:intensity_psi:1h",
        "the model gets images with more or less ink than the validation images.",
    ),
    "MnistModelConfidenceDrop": (
        "confidence",
        "mnist:low_confidence_excess:1h",
        "the model is unsure more often than on the validation images.",
    ),
}


def promtool_test(folder, pods, **checks):
    shown = [series for pod, counts in pods.items() for series in drift.shown(pod, counts)]
    path = folder / "drift.yaml"
    path.write_text(
        yaml.safe_dump({"rule_files": [str(RULES)], "tests": [{"interval": "1m", "input_series": shown, **checks}]})
    )
    run("promtool", "test", "rules", str(path))


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_computed_without_prometheus(tmp_path, seed):
    """Two pods of unequal traffic, with counts of which some bins are empty."""
    random = np.random.default_rng(seed)
    shares = {what: random.dirichlet(np.full(len(bins), 0.3)) for what, bins in drift.SHARES.items()}
    pods = {
        pod: {what: random.multinomial(images, bins) for what, bins in shares.items()}
        for pod, images in (("a", 40), ("b", 100))
    }
    counts = {what: pods["a"][what] + pods["b"][what] for what in shares}
    assert any((bins == 0).any() for bins in counts.values())
    expected = [
        {
            "expr": f"abs({name} - {value!r}) < bool 1e-9",
            "eval_time": f"{drift.MINUTES}m",
            "exp_samples": [{"labels": '{namespace="digits", job="mnist-api"}', "value": 1}],
        }
        for name, value in drift.figures(counts).items()
    ]
    promtool_test(tmp_path, pods, promql_expr_test=expected)


def numbers(alert):
    """An alert's threshold, the images an hour that it needs more than, and the minutes for which it must hold."""
    rule = ALERTS[alert]
    threshold, guard = re.fullmatch(r"\S+ > (\S+) and on \(namespace, job\) \S+ > (\d+)", rule["expr"]).groups()
    return float(threshold), int(guard), int(rule["for"].removesuffix("m"))


def images(alert, times_threshold, a_minute):
    """What one pod sees when an alert's figure is this many times its threshold."""
    what, figure, _ = DRIFT[alert]
    shares = drift.drifted(what, figure, times_threshold * numbers(alert)[0])
    return {"a": {what: bins * a_minute for what, bins in shares.items()}}


def silent(alert, minute):
    return {"alertname": alert, "eval_time": f"{minute}m", "exp_alerts": []}


def fires(alert, minute, description):
    expected = {
        "exp_labels": {"severity": "ticket", "namespace": "digits", "job": "mnist-api"},
        "exp_annotations": {
            "summary": f"mnist-api: {DRIFT[alert][2]}",
            "description": description,
            "runbook_url": f"RUNBOOK.md#{alert.lower()}",
        },
    }
    return silent(alert, minute) | {"exp_alerts": [expected]}


@pytest.mark.parametrize("alert", DRIFT)
def test_fires_just_above_the_threshold_and_with_just_enough_images(tmp_path, alert):
    threshold, guard, held_minutes = numbers(alert)
    value = 1.02 * threshold
    description = (
        f"The share of images with a confidence of 0.9 or less was {100 * value:.4g}% of all images higher in the last"
        " hour than on the validation images."
        if alert == "MnistModelConfidenceDrop"
        else f"The population stability index of the last hour is {value:.2f}."
    )
    # The guard is passed in minute 11.
    due = 11 + held_minutes
    expected = [silent(alert, due - 1), fires(alert, due, description), fires(alert, drift.MINUTES, description)]
    promtool_test(tmp_path, images(alert, 1.02, guard / 10.1), alert_rule_test=expected)


@pytest.mark.parametrize("alert", DRIFT)
def test_is_silent_just_below_the_threshold(tmp_path, alert):
    _, guard, _ = numbers(alert)
    promtool_test(tmp_path, images(alert, 0.98, guard / 10.1), alert_rule_test=[silent(alert, drift.MINUTES)])


@pytest.mark.parametrize("alert", DRIFT)
def test_is_silent_with_too_few_images(tmp_path, alert):
    _, guard, _ = numbers(alert)
    promtool_test(tmp_path, images(alert, 5, 0.98 * guard / 60), alert_rule_test=[silent(alert, drift.MINUTES)])
