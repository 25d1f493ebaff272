"""Measures, against values worked out by hand."""

import numpy as np
import pytest

from training.data import Split
from training.evaluate import _histogram, evaluate, expected_calibration_error, reference


def answers_of(digits, confidence):
    """Probabilities that name the given digits with the given confidence."""
    probabilities = np.full((len(digits), 10), (1 - confidence) / 9, dtype=np.float32)
    probabilities[np.arange(len(digits)), digits] = confidence
    return probabilities


SPLIT = Split(np.zeros((20, 28, 28), dtype=np.uint8), np.arange(20) % 10)


def test_report_counts_right_and_wrong():
    digits = SPLIT.labels.copy()
    digits[[3, 13, 4]] = [8, 8, 9]  # both threes are called 8, one four is called 9
    report = evaluate(lambda _: answers_of(digits, 0.9), SPLIT)
    assert report.n == 20
    assert report.accuracy == pytest.approx(17 / 20)
    assert report.worst_class_recall == 0
    assert report.class_recall[4] == 0.5
    assert report.confusion[3][8] == 2
    assert report.confusion[4][9] == 1
    assert sum(map(sum, report.confusion)) == 20
    assert report.ece == pytest.approx(0.9 - 17 / 20, abs=1e-6)


def test_calibration_error_weighs_bins_by_their_count():
    confidence = np.array([0.55, 0.55, 0.95, 0.95, 0.95, 0.95], dtype=np.float32)
    correct = np.array([True, False, True, True, True, False])
    expected = (2 * abs(0.55 - 0.5) + 4 * abs(0.95 - 0.75)) / 6
    assert expected_calibration_error(confidence, correct) == pytest.approx(expected, abs=1e-6)


def test_a_sure_and_right_model_is_calibrated():
    assert expected_calibration_error(np.ones(5, dtype=np.float32), np.ones(5, dtype=bool)) == 0


def test_histogram_counts_up_to_and_including_an_edge():
    values = np.array([0.0, 0.1, 0.2, 0.21, 1.0, 1.0000001], dtype=np.float64)
    assert _histogram(values, (0.2, 0.5, 1.0))["ratio"] == pytest.approx([3 / 6, 1 / 6, 2 / 6])


def test_reference_shares_sum_to_one():
    found = reference(lambda _: answers_of(SPLIT.labels, 0.97), SPLIT)
    assert found["class_ratio"] == pytest.approx([0.1] * 10)
    assert sum(found["confidence"]["ratio"]) == pytest.approx(1)
    assert sum(found["intensity"]["ratio"]) == pytest.approx(1)
