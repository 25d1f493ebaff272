"""The paired test behind the Gate: it shows a candidate to be less accurate than the champion by less than a margin.

Both models read the same images. Only those that one of them reads right and the other wrong tell them apart: `lost`
are the champion's alone, `gained` the candidate's alone. The statistic is Tango's score ("Equivalence test and
confidence interval for the difference in proportions for the paired-sample design", Statistics in Medicine 17, 1998,
pp. 891-908); with a margin of 0 its square is McNemar's. Its normal approximation can let more than alpha pass, 6.0 %
instead of 5 % of 300 images with a margin of 0.02, so the p-value is exact: the largest probability, over every share
of images that may differ, of a statistic at least as high (Hsueh, Liu and Chen, "Unconditional exact tests for
equivalence or noninferiority for paired binary endpoints", Biometrics 57, 2001, pp. 478-483, who also show that the
worst case among all models that are too bad is the one just at the margin).
"""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]

_TIE = 1e-9  # statistics closer than this are the same one, rounded differently
_DEVIATIONS = 6.0  # pairs with a count further than this from its mean have a probability below 1e-8


def score(lost: Counts, gained: Counts, n: int, margin: float) -> Numbers:
    """Tango's statistic: how many standard errors the candidate is above the champion minus the margin.

    The standard error is the one that the likeliest candidate just at the margin would have.
    """
    b = lost * (1 + margin) + gained * (1 - margin) - 2 * n * margin
    share_gained = (b + np.sqrt(b**2 + 8 * n * gained * margin * (1 - margin))) / (4 * n)
    variance = n * (2 * share_gained + margin * (1 - margin))
    return np.asarray((gained - lost + n * margin) / np.sqrt(variance))


@cache
def p_value(lost: int, gained: int, n: int, margin: float) -> float:
    """The largest probability that a candidate worse by the margin, or by more, does at least this well.

    Counts of n images; 0 < margin < 1, a share of them. Raises ValueError for counts that cannot be.
    """
    if not (min(lost, gained) >= 0 and lost + gained <= n and n > 0 and 0 < margin < 1):
        raise ValueError(f"no paired result: {lost} lost and {gained} gained of {n} images, margin {margin}")
    return exceedance(float(score(np.array(lost), np.array(gained), n, margin)), n, margin)


def exceedance(seen: float, n: int, margin: float) -> float:
    """The largest probability of a score of at least `seen` among candidates worse by the margin or by more."""
    return max(probability(seen, n, margin, share + margin, share) for share in _shares_gained(n, margin).tolist())


def probability(seen: float, n: int, margin: float, share_lost: float, share_gained: float) -> float:
    """How probable a score of at least `seen` is for a candidate that loses and gains these shares of all images.

    Sums over the pairs of counts that are likely; all others are taken to score as high.
    """
    lost, gained = np.meshgrid(_likely(n, share_lost), _likely(n, share_gained), indexing="ij")
    below = (lost + gained <= n) & (score(lost, gained, n, margin) < seen - _TIE)
    lost, gained = lost[below], gained[below]
    logarithm = _log_factorials(n)[n] + _term(lost, share_lost, n) + _term(gained, share_gained, n)
    logarithm += _term(n - lost - gained, 1 - share_lost - share_gained, n)
    return 1 - float(np.exp(logarithm).sum())


def _shares_gained(n: int, margin: float) -> Numbers:
    """The shares of images that a candidate at the margin may gain, from none to every image that it does not lose.

    Up to 100 images a quarter of the count's standard deviation apart; wider above, where the score is nearly normal.
    """
    top = np.sqrt(n * (1 - margin) / 2)
    roots = np.arange(0, min(10.0, top), 0.25)
    roots = np.append(roots, np.geomspace(10, top, 8) if top > 10 else top)
    return np.asarray(roots**2 / n)


def _likely(n: int, share: float) -> Counts:
    """The counts within six standard deviations, and 15 more, of a binomial distribution's mean."""
    mean = n * share
    reach = _DEVIATIONS * math.sqrt(mean * (1 - share)) + 15
    return np.arange(max(0, math.floor(mean - reach)), min(n, math.ceil(mean + reach)) + 1)


def _term(count: Counts, share: float, n: int) -> Numbers:
    """One kind's part in the logarithm of a multinomial probability; 0 to the power of 0 is 1."""
    powers = count * math.log(share) if share > 0 else np.where(count == 0, 0.0, -np.inf)
    return np.asarray(powers - _log_factorials(n)[count])


@cache
def _log_factorials(n: int) -> Numbers:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
