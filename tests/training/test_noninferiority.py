"""The paired test, against sums over every outcome, and what it promises of the Gate."""

import math

import numpy as np
import pytest

from training import gate_simulation
from training.gate import Policy
from training.noninferiority import p_value, probability, score


def test_score_without_margin_is_mcnemars():
    assert score(np.array(30), np.array(18), 1000, 0.0) == pytest.approx(-12 / math.sqrt(48))


@pytest.mark.parametrize(("lost", "gained"), [(30, 18), (18, 30), (90, 2)])
def test_standard_error_is_that_of_the_likeliest_candidate_at_the_margin(lost, gained):
    n, margin = 1000, 0.02
    share = np.linspace(1e-5, 0.2, 200_000)
    likelihood = lost * np.log(share + margin) + gained * np.log(share)
    likelihood += (n - lost - gained) * np.log(1 - margin - 2 * share)
    likeliest = share[likelihood.argmax()]
    error = math.sqrt((2 * likeliest + margin - margin**2) / n)
    expected = ((gained - lost) / n + margin) / error
    assert score(np.array(lost), np.array(gained), n, margin) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (2, 0), (1, 3), (3, 1), (0, 12)])
def test_p_value_is_the_sum_over_all_outcomes_at_the_worst_share(lost, gained):
    n, margin = 12, 0.2
    seen = score(np.array(lost), np.array(gained), n, margin)
    as_good = [
        (b, c)
        for b in range(n + 1)
        for c in range(n + 1 - b)
        if score(np.array(b), np.array(c), n, margin) >= seen - 1e-9
    ]

    def chance(share):
        return sum(
            math.comb(n, b)
            * math.comb(n - b, c)
            * (share + margin) ** b
            * share**c
            * (1 - margin - 2 * share) ** (n - b - c)
            for b, c in as_good
        )

    worst = max(chance(share) for share in np.linspace(0, (1 - margin) / 2, 400))
    assert p_value(lost, gained, n, margin) == pytest.approx(worst, abs=5e-3)
    assert probability(float(seen), n, margin, 0.25, 0.05) == pytest.approx(chance(0.05), abs=1e-7)


@pytest.mark.parametrize("counts", [(-1, 0, 10), (6, 5, 10), (0, 0, 0)])
def test_counts_that_cannot_be_are_refused(counts):
    with pytest.raises(ValueError, match="no paired result"):
        p_value(*counts, 0.1)


def test_policy_keeps_its_promise_on_the_test_split():
    policy = Policy()
    assert policy.alpha <= 0.05
    for discordance in (0.0026, 0.006):
        assert gate_simulation.exact(10_000, discordance, policy.margin, policy) <= 0.05
        assert gate_simulation.exact(10_000, discordance, 0, policy) >= 0.8


def test_simulated_candidates_are_worse_by_what_is_asked():
    candidate, champion = gate_simulation.pair(200_000, 0.002, 0.02, np.random.default_rng(1))
    assert champion.correct.mean() == pytest.approx(0.9943, abs=6e-4)
    assert champion.correct.mean() - candidate.correct.mean() == pytest.approx(0.002, abs=6e-4)
    assert (champion.correct != candidate.correct).mean() == pytest.approx(0.0026, abs=6e-4)
    worse = [champion.corrupted[kind].mean() - candidate.corrupted[kind].mean() for kind in champion.corrupted]
    assert np.mean(worse) == pytest.approx(0.02, abs=0.01)
