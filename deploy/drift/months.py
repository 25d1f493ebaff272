"""Simulated traffic: independent images, as many a minute as chance brings; what the alerts make of it. NumPy only."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deploy.drift import rules
from deploy.drift.rules import Floats

ROWS = 500
MONTH_MINUTES = 30 * 24 * 60
WATCHED_MINUTES = 180  # how long a drift may go on before it counts as not detected


@dataclass(frozen=True)
class Population:
    """How many of a set's images fall into each combination of digit, confidence bin and intensity bin."""

    membership: NDArray[np.float32]  # [combinations, 34], three ones in each row
    counts: NDArray[np.int64]  # [combinations]

    @classmethod
    def of(cls, bins: NDArray[np.int64]) -> Self:
        """Count images, given each one's bins as `rules.bins_of` gives them, int [n, 3]."""
        combinations, counts = np.unique(bins, axis=0, return_counts=True)
        offsets = (rules.CLASS.start or 0, rules.CONFIDENCE.start, rules.INTENSITY.start)
        membership = np.zeros((len(counts), rules.BINS), np.float32)
        np.put_along_axis(membership, combinations + offsets, 1, axis=1)
        return cls(membership, counts)

    def traffic(self, rng: np.random.Generator) -> Floats:
        """One guess at the shares of all traffic that these images are a sample of: a Bayesian bootstrap."""
        shares: Floats = rng.dirichlet(self.counts)
        return shares

    def minutes(self, shares: Floats, per_minute: float, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        """Counts of images in each bin, minute by minute: [*shape, 34]. Arrivals are independent."""
        rate, rows = per_minute * shares, math.prod(shape)
        # Some rows at a time, which stay in the processor's cache.
        parts = [
            rng.poisson(rate, (min(ROWS, rows - start), len(rate))).astype(np.float32) @ self.membership
            for start in range(0, rows, ROWS)
        ]
        counts: Floats = np.concatenate(parts).reshape(*shape, rules.BINS)
        return counts


@dataclass(frozen=True)
class Watch:
    """The alerts, and what they compare traffic with."""

    reference: Floats
    guard: int
    for_minutes: int
    thresholds: Mapping[str, float]

    def held(self, counts: Floats) -> dict[str, Floats]:
        """What each alert's value held for its `for`, [..., t - 60], given counts by the minute, [..., t, 34]."""
        values = rules.values(rules.last_hour(counts), self.reference, self.guard)
        return {alert: rules.sustained(value, self.for_minutes) for alert, value in values.items()}


def clean_month(clean: Population, watch: Watch, per_second: float, seed: np.random.SeedSequence) -> dict[str, Any]:
    """Of a month of clean traffic: each alert's highest held value, and how often it began to fire."""
    rng = np.random.default_rng(seed)
    shares = clean.traffic(rng)
    held = watch.held(clean.minutes(shares, 60 * per_second, (rules.WINDOW_MINUTES + MONTH_MINUTES,), rng))
    firing = {alert: value > watch.thresholds[alert] for alert, value in held.items()}
    return {
        "highest": {alert: float(value.max()) for alert, value in held.items()},
        "alarms": {alert: int((fires[1:] & ~fires[:-1]).sum()) for alert, fires in firing.items()},
    }


def minutes_to_fire(
    clean: Population,
    drifted: Population,
    share: float,
    watch: Watch,
    per_second: float,
    trials: int,
    seed: np.random.SeedSequence,
) -> dict[str, Floats]:
    """Minutes from the start of a drift, after a clean hour, until each alert fires: [trials], infinite if it does not.

    `share` of the requests drift. The traffic's shares are drawn once for all trials of a call.
    """
    rng = np.random.default_rng(seed)
    usual, unusual = clean.traffic(rng), drifted.traffic(rng)
    hour = clean.minutes(usual, 60 * per_second, (trials, rules.WINDOW_MINUTES), rng)
    after = (trials, WATCHED_MINUTES)
    mixed = clean.minutes(usual, 60 * per_second * (1 - share), after, rng)
    mixed += drifted.minutes(unusual, 60 * per_second * share, after, rng)
    held = watch.held(np.concatenate([hour, mixed], axis=1))
    return {alert: _first(value > watch.thresholds[alert]) for alert, value in held.items()}


def _first(fires: NDArray[np.bool_]) -> Floats:
    """The number, from 1, of the first true along the last axis; infinite where there is none."""
    return np.where(fires.any(axis=-1), fires.argmax(axis=-1) + 1.0, np.inf)
