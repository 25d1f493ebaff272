"""Shows by simulation which errors the Gate makes: `make gate-simulation`.

First the paired rule alone, then the whole Gate on simulated Evidence. Fails unless at most 5 % of the candidates worse
by the margin pass, and at least 80 % of the equal ones, on as many images as the test split has. What the first table
sums exactly must keep that to the digit; what the second counts may miss it by three standard errors of the count.
"""

import sys
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.gate import Decision, Evidence, Policy, decide
from training.noninferiority import exceedance, probability, score

TEST, VALIDATION = 10_000, 5_000  # images
# Shares of images that one of two models reads right and the other wrong. The champion and its network from another
# seed differ on 0.0026 of the validation images, the champion and its predecessor on 0.0061 of the test images.
DISCORDANCES = (0.002, 0.0026, 0.004, 0.005, 0.006)
USUAL = 0.0026
OUTCOMES = 100_000  # simulated pairs of counts a row of the first table
GATES = 10_000  # simulated pairs of Evidence a row of the second
WORSE_PASS_AT_MOST, EQUAL_PASS_AT_LEAST = 0.05, 0.8
# The champion's shares of wrong images, clean and corrupted, and how often another seed differs on corrupted ones.
ERROR, CORRUPTED_ERROR, CORRUPTED_DISCORDANCE = 0.0057, 0.074, 0.041
KINDS, CORRUPTED_IMAGES = 15, 1_000
ROUNDS, LATENCY_NOISE = 15, 0.05


@cache
def lowest_passing_score(n: int, policy: Policy) -> float:
    """The score from which on the p-value is at most alpha, to within 0.0001, rounded up."""
    fails, passes = 0.0, 10.0
    while passes - fails > 1e-4:
        middle = (fails + passes) / 2
        if exceedance(middle, n, policy.margin) <= policy.alpha:
            passes = middle
        else:
            fails = middle
    return passes


def shares(discordance: float, worse_by: float) -> tuple[float, float]:
    """The shares of images that a candidate loses and gains."""
    return (discordance + worse_by) / 2, (discordance - worse_by) / 2


def exact(n: int, discordance: float, worse_by: float, policy: Policy) -> float:
    """The probability that the paired rule passes a candidate, summed."""
    return probability(lowest_passing_score(n, policy), n, policy.margin, *shares(discordance, worse_by))


def simulated(n: int, discordance: float, worse_by: float, policy: Policy, rng: np.random.Generator) -> float:
    """The same, counted in simulated outcomes."""
    lost_share, gained_share = shares(discordance, worse_by)
    lost, gained, _ = rng.multinomial(n, (lost_share, gained_share, 1 - discordance), size=OUTCOMES).T
    return float((score(lost, gained, n, policy.margin) >= lowest_passing_score(n, policy)).mean())


def pair(n: int, worse_by: float, corrupted_worse_by: float, rng: np.random.Generator) -> tuple[Evidence, Evidence]:
    """Simulate a candidate's and the champion's Evidence: as fast, as calibrated and as large as each other."""
    clean = _paired(n, ERROR, USUAL, worse_by, rng)
    corrupted = [
        _paired(CORRUPTED_IMAGES, CORRUPTED_ERROR, CORRUPTED_DISCORDANCE, corrupted_worse_by, rng) for _ in range(KINDS)
    ]
    labels = rng.integers(0, 10, n)
    candidate, champion = (
        Evidence(
            images_sha256="simulated",
            labels=labels,
            correct=clean[which],
            confidence=np.full(n, 1 - ERROR - worse_by * (which == 0), dtype=np.float32),
            corrupted={str(kind): both[which] for kind, both in enumerate(corrupted)},
            latency_s=tuple(50e-6 * rng.lognormal(0, LATENCY_NOISE, ROUNDS)),
            size_bytes=120_000,
        )
        for which in range(2)
    )
    return candidate, champion


def gates(policy: Policy, worse_by: float, corrupted_worse_by: float, rng: np.random.Generator) -> list[Decision]:
    """Decide on simulated candidates, on as many images as the test split has."""
    return [decide(*pair(TEST, worse_by, corrupted_worse_by, rng), policy) for _ in range(GATES)]


def main() -> int:
    """Print both tables. Returns 1 if a promise is broken."""
    policy, rng = Policy(), np.random.default_rng(0)
    return 0 if all([_show_paired_rule(policy, rng), _show_gate(policy, rng)]) else 1


def _show_paired_rule(policy: Policy, rng: np.random.Generator) -> bool:
    print(
        f"The paired rule, alpha {policy.alpha:g}: how many candidates pass (exact; in {OUTCOMES:,} simulated outcomes)"
    )
    print("images  margin  differ on  worse by the margin  equal")
    kept = True
    for n, margin in ((TEST, policy.margin), (TEST, 0.0015), (VALIDATION, policy.margin)):
        tried = replace(policy, margin=margin)
        for discordance in DISCORDANCES:
            worse, equal = exact(n, discordance, margin, tried), exact(n, discordance, 0, tried)
            counted = [simulated(n, discordance, by, tried, rng) for by in (margin, 0)]
            print(
                f"{n:6}  {margin:6.2%}  {discordance:9.2%}  {worse:8.2%} ({counted[0]:7.2%})"
                f"  {equal:6.1%} ({counted[1]:6.1%})"
            )
            if (n, margin) == (TEST, policy.margin):
                kept &= worse <= WORSE_PASS_AT_MOST and equal >= EQUAL_PASS_AT_LEAST
    return kept


def _show_gate(policy: Policy, rng: np.random.Generator) -> bool:
    print(f"\nThe whole Gate, {TEST} images, differing on {USUAL:.2%}: how many of {GATES} simulated candidates pass")
    passing = {}
    for name, worse_by, corrupted_worse_by in (
        ("equal", 0.0, 0.0),
        ("worse by the margin", policy.margin, 0.0),
        ("worse by the margin on corrupted images", 0.0, policy.corrupted_margin),
    ):
        decisions = gates(policy, worse_by, corrupted_worse_by, rng)
        passing[name] = sum(decision.passed for decision in decisions) / len(decisions)
        failed = Counter(rule for decision in decisions for rule in decision.failed)
        print(f"{name:40} {passing[name]:6.1%}  failed by: {dict(failed.most_common())}")
    worse = WORSE_PASS_AT_MOST + 3 * _standard_error(WORSE_PASS_AT_MOST)
    equal = EQUAL_PASS_AT_LEAST - 3 * _standard_error(EQUAL_PASS_AT_LEAST)
    return passing.pop("equal") >= equal and max(passing.values()) <= worse


def _standard_error(share: float) -> float:
    return float(np.sqrt(share * (1 - share) / GATES))


def _paired(
    n: int, error: float, discordance: float, worse_by: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of n images the candidate and the champion, which has the given error, read right."""
    lost, gained = shares(discordance, worse_by)
    draw = rng.random(n)
    candidate_only, both_wrong = draw < gained, (draw >= gained) & (draw < error)
    champion_only = draw >= 1 - lost
    return ~(champion_only | both_wrong), ~(candidate_only | both_wrong)


if __name__ == "__main__":
    sys.exit(main())
