"""The drift alerts: their numbers are those of the simulation, which computes what it should, for this champion."""

import json
import math
import re

import numpy as np
import pytest
import yaml

from app import model
from deploy.drift import demo, figures, fixture, months, processes, rules, traffic
from deploy.drift.months import Population, Watch
from tests.serving import CHAMPION, ROOT
from training import pages

FIGURES = figures.read()
ALERTS_FILE = yaml.safe_load((ROOT / "helm" / "mnist-api" / "files" / "alerts.yaml").read_text())
ALERTS = {rule["alert"]: rule for group in ALERTS_FILE["groups"] for rule in group["rules"] if "alert" in rule}
RECORD = {
    "MnistModelClassDrift": "mnist:class_psi:1h",
    "MnistModelConfidenceDrift": "mnist:confidence_psi:1h",
    "MnistModelIntensityDrift": "mnist:intensity_psi:1h",
    "MnistModelConfidenceDrop": "mnist:low_confidence_excess:1h",
}


@pytest.fixture(scope="module")
def images():
    return demo.fixture()


@pytest.fixture(scope="module")
def reference():
    return rules.reference_shares(json.loads((CHAMPION / "manifest.json").read_text())["reference"])


def test_figures_are_those_of_the_champion():
    manifest = json.loads((CHAMPION / "manifest.json").read_text())
    assert FIGURES["champion"] == manifest["model"]["sha256"], "a new champion: run `make drift-simulation`"


@pytest.mark.parametrize("alert", RECORD)
def test_alert_has_the_numbers_of_the_simulation(alert):
    selector = '{job="mnist-api"}'
    threshold, guard = FIGURES["rules"]["thresholds"][alert], FIGURES["rules"]["guard"]
    assert ALERTS[alert]["expr"] == (
        f"{RECORD[alert]}{selector} > {threshold:g}"
        f" and on (namespace, job) mnist:predictions:increase1h{selector} > {guard}"
    )
    assert ALERTS[alert]["for"] == f"{FIGURES['rules']['for_minutes']}m"


def test_page_shows_the_figures():
    assert pages.shown(figures.PAGE, figures.BEGIN) == figures.tables(FIGURES)


def test_false_alarms_are_as_rare_as_promised():
    limit = FIGURES["promise"]["per_month_at_most"]
    rows = {row["per_second"]: row for row in FIGURES["false_alarms"]}
    assert limit <= 1
    assert {0.2, 1.0, 10.0} <= rows.keys()
    assert FIGURES["promise"]["per_second"] == 1.0
    for row in rows.values():
        assert row["months"] >= 200
        assert row["per_month_at_most"] == pytest.approx(figures.upper_limit(row["alarms"]) / row["months"], abs=1e-4)
        assert row["per_month_at_most"] <= limit


def test_every_kind_of_drift_is_detected_when_all_requests_drift():
    whole = {row["traffic"]: row["first"] for row in FIGURES["detection"] if row["share"] == 1.0}
    assert whole.keys() == traffic.KINDS.keys()
    # The better a model reads what drifted, as images turned by 30 degrees, the later it is noticed.
    assert all(FIGURES["rules"]["for_minutes"] < first["median"] <= first["p95"] <= 45 for first in whole.values())


@pytest.mark.parametrize(("events", "limit"), [(0, 2.996), (1, 4.744), (5, 10.513)])
def test_upper_limit_is_that_of_the_tables(events, limit):
    assert figures.upper_limit(events) == pytest.approx(limit, abs=1e-3)


def test_stability_index_is_the_formulas():
    rng = np.random.default_rng(0)
    live, reference = rng.dirichlet([0.3] * 12), rng.dirichlet([0.3] * 12)
    assert live.min() < 0.001
    pairs = [(max(p, 0.001), max(q, 0.001)) for p, q in zip(live.tolist(), reference.tolist(), strict=True)]
    assert rules.psi(live, reference) == pytest.approx(math.fsum((p - q) * math.log(p / q) for p, q in pairs))


def test_values_are_of_the_last_hour_and_respect_the_guard(reference):
    counts = np.zeros((63, rules.BINS))
    counts[0, [9, rules.UNSURE.start, rules.INTENSITY.start]] = 1000  # an hour later it must be forgotten
    counts[1:] = 10 * reference
    counts[1, [0, rules.UNSURE.start, rules.INTENSITY.start]] += 50
    found = rules.values(rules.last_hour(counts), reference, guard=610)
    assert np.isneginf(found["MnistModelClassDrift"][1:]).all()
    assert found["MnistModelConfidenceDrop"][0] == pytest.approx(50 * (1 - reference[rules.UNSURE].sum()) / 650)


def test_alert_fires_only_when_its_value_held_for_as_long_as_it_must():
    value = np.array([0, 5, 5, 5, 0, 5, 5, 5, 6])
    assert (rules.sustained(value, 3) > 4).tolist() == [False] * 8 + [True]


def test_simulation_fires_on_drift_and_not_on_clean_traffic(images, reference):
    classifier = model.load(CHAMPION)
    pixels, _ = images
    clean, inverted = (
        Population.of(rules.bins_of(classifier.predict(kind), kind)) for kind in (pixels, traffic.inverted(pixels))
    )
    watch = Watch(reference, FIGURES["rules"]["guard"], FIGURES["rules"]["for_minutes"], FIGURES["rules"]["thresholds"])
    seed = np.random.SeedSequence(0)
    assert clean.counts.sum() == len(pixels)
    assert np.isinf(list(months.minutes_to_fire(clean, clean, 1.0, watch, 1.0, 3, seed).values())).all()
    after = months.minutes_to_fire(clean, inverted, 1.0, watch, 1.0, 3, seed)["MnistModelIntensityDrift"]
    assert ((after > watch.for_minutes) & (after < 15)).all()


@pytest.mark.parametrize("kind", traffic.KINDS)
def test_drifted_images_are_images(images, kind):
    pixels, labels = images
    drifted = traffic.KINDS[kind](pixels, labels, np.random.default_rng(0))
    assert (drifted.shape, drifted.dtype) == (pixels.shape, pixels.dtype)
    assert drifted.min() >= 0
    assert drifted.max() <= 1
    assert not np.array_equal(drifted, pixels)


def test_rotation_by_a_right_angle_moves_each_pixel(images):
    pixels, _ = images
    np.testing.assert_allclose(traffic.rotated(pixels, 90), np.rot90(pixels, axes=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(traffic.rotated(pixels, 0), pixels, atol=1e-6)


def test_one_class_repeats_one_digit(images):
    pixels, labels = images
    of_digit = {image.tobytes() for image in pixels[labels == traffic.ONE_CLASS]}
    assert {image.tobytes() for image in traffic.one_class(pixels, labels)} == of_digit


def test_demos_images_are_like_the_reference(images, reference):
    pixels, labels = images
    assert np.bincount(labels).min() > 80
    assert fixture.distance(rules.bins_of(model.load(CHAMPION).predict(pixels), pixels), reference) < 0.005


def test_demos_rules_hurry_and_keep_their_names():
    hurried = processes.hurried(ALERTS_FILE)
    text = json.dumps(hurried)
    assert not re.search(r"\[\d+[smhd]\]", text)
    drift = next(rule for group in hurried["groups"] for rule in group["rules"] if rule.get("alert") in RECORD)
    usual = ALERTS[drift["alert"]]
    assert drift["expr"] == usual["expr"]
    assert drift["for"] == f"{FIGURES['rules']['for_minutes']}000ms"
    records = [
        [rule.get("record") for group in some["groups"] for rule in group["rules"]] for some in (hurried, ALERTS_FILE)
    ]
    assert records[0] == records[1]
    assert 'mnist_predictions_total{job="mnist-api"}[60000ms]' in hurried["groups"][-1]["rules"][0]["expr"]
