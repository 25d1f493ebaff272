"""Chooses the thresholds of the drift alerts, and measures what they promise: `make drift-simulation`.

Thresholds are chosen on simulated months of clean traffic and measured on others. Images come from the validation
split alone. Writes figures.json, and the tables of docs/DRIFT.md.
"""

import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from app import model
from app.image import from_bytes
from deploy.drift import figures, rules
from deploy.drift.months import Population, Watch, clean_month, minutes_to_fire
from deploy.drift.rules import ALERTS, Floats
from deploy.drift.traffic import CLEAN, KINDS
from training import data

CHAMPION = Path("deploy/model")
MONTHS = 200
# A lower guard would watch quieter services, and need higher thresholds: chance moves the shares of fewer images more.
GUARD = 1000
FOR_MINUTES = 5
USUAL_PER_SECOND = 1.0
# Just enough traffic to pass the guard, where chance moves the values most. Thresholds are chosen here.
HARDEST_PER_SECOND = 0.3
RATES_PER_SECOND = (0.2, HARDEST_PER_SECOND, USUAL_PER_SECOND, 10.0)
HEADROOM = 1.25
PER_MONTH_AT_MOST = 1.0
SHARES = (0.1, 0.25, 0.5, 1.0)
TRAFFICS, TRIALS_EACH = 20, 25  # draws of what all traffic is like, and trials with each


def populations(classifier: model.Classifier, split: data.Split) -> dict[str, Population]:
    """How the champion's answers to clean and to each kind of drifted images fall into the bins."""
    rng = np.random.default_rng(0)
    clean = from_bytes(split.images)
    kinds = {CLEAN: clean} | {kind: drift(clean, split.labels, rng) for kind, drift in KINDS.items()}
    return {kind: Population.of(rules.bins_of(classifier.predict(images), images)) for kind, images in kinds.items()}


def simulate(pool: Executor, clean: Population, watch: Watch, per_second: float, seed: int) -> list[dict[str, Any]]:
    """Simulate months of clean traffic, each with a seed of its own, and show how far it is."""
    started = time.monotonic()
    found = []
    for month in pool.map(partial(clean_month, clean, watch, per_second), np.random.SeedSequence(seed).spawn(MONTHS)):
        found.append(month)
        if len(found) % 50 == 0:
            print(f"{per_second:g} a second: {len(found)} months, {time.monotonic() - started:.0f} s", flush=True)
    return found


def highest(found: list[dict[str, Any]]) -> dict[str, float]:
    return {alert: max(month["highest"][alert] for month in found) for alert in ALERTS}


def choose(values: dict[str, float]) -> dict[str, float]:
    """Each alert's threshold: the highest value that clean traffic held, with headroom, rounded up to hundredths."""
    return {alert: float(np.ceil(value * HEADROOM * 100) / 100) for alert, value in values.items()}


def false_alarms(found: list[dict[str, Any]], per_second: float) -> dict[str, Any]:
    """The alarms of all four alerts together, and each one's highest value; None where the guard let none pass."""
    alarms = sum(sum(month["alarms"].values()) for month in found)
    return {
        "per_second": per_second,
        "months": len(found),
        "alarms": alarms,
        "per_month_at_most": round(figures.upper_limit(alarms) / len(found), 4),
        "highest": {alert: _number(value) for alert, value in highest(found).items()},
    }


def detection(pool: Executor, kinds: dict[str, Population], watch: Watch, kind: str, share: float) -> dict[str, Any]:
    """Minutes until each alert fires, and until the first does."""
    trial = partial(minutes_to_fire, kinds[CLEAN], kinds[kind], share, watch, USUAL_PER_SECOND, TRIALS_EACH)
    found = list(pool.map(trial, np.random.SeedSequence(2).spawn(TRAFFICS)))
    minutes = {alert: np.concatenate([one[alert] for one in found]) for alert in ALERTS}
    first = _percentiles(np.min(list(minutes.values()), axis=0))
    print(f"{kind}, {share:.0%} of the requests: the first alert after {first['median']} minutes", flush=True)
    return {
        "traffic": kind,
        "share": share,
        "first": first,
        "alerts": {alert: _percentiles(value) for alert, value in minutes.items()},
    }


def _percentiles(minutes: Floats) -> dict[str, float | None]:
    """Median and 95th percentile, each a value that occurred; None where no alert fired in time."""
    return {
        name: _number(float(np.quantile(minutes, q, method="higher"))) for name, q in (("median", 0.5), ("p95", 0.95))
    }


def _number(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


def main() -> None:
    """Choose, measure, write."""
    classifier = model.load(CHAMPION)
    manifest = classifier.bundle.manifest
    kinds = populations(classifier, data.load("mnist").validation)
    reference = rules.reference_shares(manifest.reference)
    shares = kinds[CLEAN].counts @ kinds[CLEAN].membership / kinds[CLEAN].counts.sum()
    if not np.allclose(shares, reference, atol=1e-3):
        sys.exit("the manifest's reference does not describe these validation images")
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        print("choosing thresholds")
        anything = Watch(reference, GUARD, FOR_MINUTES, dict.fromkeys(ALERTS, np.inf))
        thresholds = choose(highest(simulate(pool, kinds[CLEAN], anything, HARDEST_PER_SECOND, seed=0)))
        print(f"thresholds: {thresholds}\nmeasuring false alarms")
        watch = Watch(reference, GUARD, FOR_MINUTES, thresholds)
        clean = [
            false_alarms(simulate(pool, kinds[CLEAN], watch, per_second, seed=1), per_second)
            for per_second in RATES_PER_SECOND
        ]
        print("measuring time to detect")
        detected = [detection(pool, kinds, watch, kind, share) for kind in KINDS for share in SHARES]
    figures.write(
        {
            "champion": manifest.sha256,
            "promise": {"per_second": USUAL_PER_SECOND, "per_month_at_most": PER_MONTH_AT_MOST},
            "hardest_per_second": HARDEST_PER_SECOND,
            "rules": {"guard": GUARD, "for_minutes": FOR_MINUTES, "thresholds": thresholds},
            "false_alarms": clean,
            "trials": TRAFFICS * TRIALS_EACH,
            "detection": detected,
        }
    )


if __name__ == "__main__":
    main()
