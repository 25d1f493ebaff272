"""Shows the drift alerts at work, an hour in a minute: `make drift-demo`.

Runs the service and a Prometheus with the chart's rules, every duration divided by 60. Sends 60 images a second: clean
ones until the window is full, then of each kind of drift until one of its alerts fires, and clean ones until all are
clear. Exits with 1 if one does not fire or clear in time, or if one fires that should not.
"""

import gzip
import json
import signal
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.image import Images, from_bytes
from deploy.drift import figures
from deploy.drift.processes import Failed, call, prometheus, service
from deploy.drift.rules import ALERTS
from deploy.drift.traffic import CLEAN, KINDS, Labels

FOLDER = Path(__file__).parent
IMAGES_A_SECOND = 60
WINDOW_S = 60
QUIET_S = 10
CLEAR_DEADLINE_S = 2 * WINDOW_S
PATIENCE = 3


def require(holds: bool, message: str) -> None:
    if not holds:
        raise Failed(message)


def names(alerts: Collection[str]) -> str:
    return " or ".join(sorted(alerts)) or "nothing"


def fixture() -> tuple[Images, Labels]:
    """The committed validation images, float32 [1000, 28, 28] in 0..1, and their labels."""
    pixels, labels = (
        np.frombuffer(gzip.decompress((FOLDER / f"validation1000-{name}.gz").read_bytes()), np.uint8, offset=offset)
        for name, offset in (("images-idx3-ubyte", 16), ("labels-idx1-ubyte", 8))
    )
    return from_bytes(pixels.reshape(len(labels), 28, 28)), labels


class Stage:
    """The traffic, and what Prometheus says of it, second by second."""

    def __init__(self, service_port: int, prometheus_port: int) -> None:
        self._service, self._prometheus = service_port, prometheus_port
        self._rng = np.random.default_rng(0)
        images, labels = fixture()
        self._images = {CLEAN: images} | {kind: drift(images, labels, self._rng) for kind, drift in KINDS.items()}
        self._started = self._next = time.monotonic()
        self.firing: set[str] = set()  # of the drift alerts: the others judge this machine, on a sixtieth of the data

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._started:4.0f} s] {text}", flush=True)

    def second(self, kind: str) -> None:
        """Send a second's images of a kind, wait for the second to end, and see which alerts fire."""
        chosen = self._images[kind][self._rng.integers(0, len(self._images[kind]), IMAGES_A_SECOND)]
        pixels = chosen.reshape(IMAGES_A_SECOND, -1).astype(float).round(4)
        call(self._service, "POST", "/predict", json.dumps({"images": pixels.tolist()}))
        self._next += 1
        time.sleep(max(0.0, self._next - time.monotonic()))
        found = call(self._prometheus, "GET", "/api/v1/alerts")["data"]["alerts"]
        values = {one["labels"]["alertname"]: float(one["value"]) for one in found if one["state"] == "firing"}
        firing = values.keys() & set(ALERTS)
        for alert in sorted(firing - self.firing):
            self.say(f"  {alert} fires at {values[alert]:.3f}")
        for alert in sorted(self.firing - firing):
            self.say(f"  {alert} is clear")
        self.firing = firing

    def stay_quiet(self, seconds: int) -> None:
        """Send clean images. Raises Failed if a drift alert fires."""
        for _ in range(seconds):
            self.second(CLEAN)
            require(not self.firing, f"the traffic is clean, and {names(self.firing)} fires")

    def show(self, kind: str, expected: Collection[str], deadline_s: float) -> None:
        """Send a kind of drift until an expected alert fires, then clean images until none does."""
        for _ in range(round(deadline_s)):
            self.second(kind)
            if self.firing:
                break
        require(bool(self.firing & set(expected)), f"{kind}: after {deadline_s:.0f} s, {names(expected)} is silent")
        self.say("clean again")
        for _ in range(CLEAR_DEADLINE_S):
            self.second(CLEAN)
            require(self.firing <= set(expected), f"{kind}: {names(self.firing)} fires, expected is {names(expected)}")
            if not self.firing:
                return
        raise Failed(f"{kind}: {names(self.firing)} still fires {CLEAR_DEADLINE_S} s after the end")


def play(stage: Stage, detection: Mapping[str, Mapping[str, Any]], for_minutes: int) -> None:
    """Show all kinds. What took a minute in the simulation takes a second here."""
    stage.say(f"clean, {IMAGES_A_SECOND} images a second; an hour is a minute here")
    stage.stay_quiet(WINDOW_S + for_minutes + QUIET_S)
    for kind in KINDS:
        simulated = detection[kind]
        expected = [alert for alert, minutes in simulated["alerts"].items() if minutes["median"]]
        first = simulated["first"]
        stage.say(f"{kind}; in the simulation, the first alert fired after {first['median']:.0f} minutes")
        stage.show(kind, expected, PATIENCE * first["p95"])
        stage.stay_quiet(QUIET_S)


def main() -> int:
    """Play, and give the exit code."""
    # So that `kill` stops what was started too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    known = figures.read()
    whole = {row["traffic"]: row for row in known["detection"] if row["share"] == 1}
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            service() as (service_port, metrics_port),
            prometheus(metrics_port, Path(folder)) as prometheus_port,
        ):
            stage = Stage(service_port, prometheus_port)
            play(stage, whole, known["rules"]["for_minutes"])
            stage.say("every kind of drift was seen, and every alert cleared")
    except Failed as failure:
        print(f"FAILED: {failure}")
        return 1
    except KeyboardInterrupt:
        print("stopped")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
