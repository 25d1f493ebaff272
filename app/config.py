"""Settings: everything the service reads from its environment, typed, parsed once.

Imports no other module of app.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

PREFIX = "MNIST_"
# Same prefix, but not the service's: training reads it, and a shell that has it set must still be able to serve.
TRAINING_NAMES = frozenset({"MNIST_DATA_DIR"})
# Kubernetes adds these to each pod for a Service called mnist-something, unless enableServiceLinks is false.
_SERVICE_LINK = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?$")
_LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """The environment holds wrong or unknown settings; the message lists every one of them."""


def _setting(
    default: Any,
    text: str,
    *,
    low: float = 0,
    high: float = float("inf"),
    choices: tuple[str, ...] = (),
    form: str = "",
) -> Any:
    metadata = {"help": text, "low": low, "high": high, "choices": choices, "form": form}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """The service's settings. Field `x` is the environment variable `MNIST_X`; the README's table lists them all."""

    host: str = _setting("127.0.0.1", "address to listen on; 0.0.0.0 for all")
    port: int = _setting(5000, "port of the API", low=1, high=65535)
    metrics_port: int = _setting(9464, "port of /metrics, on the same address", low=1, high=65535)
    metrics_dir: str = _setting(
        "", "folder for the workers' counts while the service runs; default: /dev/shm, else the system's"
    )
    model_dir: Path = _setting(Path("deploy/model"), "folder of the Bundle to serve")
    workers: int = _setting(2, "worker processes; one a CPU core", low=1, high=256)
    connections: int = _setting(1000, "open connections a worker", low=1)
    keepalive_s: int = _setting(5, "seconds a connection may stay idle, or take to send a request", low=1)
    shutdown_s: int = _setting(20, "seconds that requests under way get to finish after SIGTERM", low=0)
    queue_requests: int = _setting(100, "most requests that wait in a worker for their turn; more are refused", low=1)
    queue_ms: int = _setting(30, "milliseconds one may wait for its turn; who would wait longer is refused", low=1)
    large_body_wait_s: int = _setting(20, "seconds in which a body of more than 64 KiB must have come", low=1)
    max_body_bytes: int = _setting(4 * 1024 * 1024, "largest request body, in bytes", low=1)
    max_batch: int = _setting(128, "most images in one request", low=1)
    model_name: str = _setting(
        "mnist", "name of the model under /v1 and /v2: letters, digits, . _ -", form=r"[A-Za-z0-9._-]{1,64}"
    )
    feedback_requests: int = _setting(
        65536, "requests whose digit is remembered for /feedback, 32 bytes each", low=8, high=2**24
    )
    feedback_s: int = _setting(3600, "seconds for which it is remembered", low=1)
    log_level: str = _setting("info", f"one of {', '.join(_LOG_LEVELS)}", choices=_LOG_LEVELS)
    log_sample: float = _setting(1.0, "share of the successful requests that are logged; errors always are", high=1)
    tracing: str = _setting("off", "on: send OpenTelemetry spans, as the OTEL_ variables say", choices=("off", "on"))
    version: str = _setting("unknown", "version of the build, shown in the metrics; the image sets it")
    revision: str = _setting("unknown", "commit of the build, shown in the metrics; the image sets it")

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings from environment variables. Raises SettingsError, listing every wrong and unknown one."""
        known = {PREFIX + item.name.upper(): item for item in fields(cls)}
        values, problems = {}, []
        for name, text in sorted(environ.items()):
            if name in known:
                try:
                    values[known[name].name] = _parse(known[name], text)
                except ValueError as error:
                    problems.append(f"{name}={text!r}: {error}")
            elif name.startswith(PREFIX) and name not in TRAINING_NAMES and not _SERVICE_LINK.search(name):
                problems.append(f"{name}: no such setting; there are {', '.join(known)}")
        if problems:
            raise SettingsError("wrong settings:\n  " + "\n  ".join(problems))
        return cls(**values)


def _parse(item: Any, text: str) -> Any:
    """Parse one value as its field's type. Raises ValueError with what the value must be."""
    rule = item.metadata
    if text.startswith("tcp://"):
        raise ValueError("this is a Kubernetes service link, not a setting: set enableServiceLinks: false in the pod")
    if not text.strip():
        raise ValueError("must not be empty; unset it for the default")
    if rule["choices"]:
        if text not in rule["choices"]:
            raise ValueError(f"must be one of {', '.join(rule['choices'])}")
        return text
    if rule["form"] and not re.fullmatch(rule["form"], text):
        raise ValueError(f"must match {rule['form']}")
    if item.type not in (int, float):
        return item.type(text)
    form, what = (
        (r"[0-9]{1,15}", "a whole number") if item.type is int else (r"[0-9]{1,15}(\.[0-9]{1,15})?", "a number")
    )
    if not (re.fullmatch(form, text) and rule["low"] <= item.type(text) <= rule["high"]):
        bounds = f"in {rule['low']}..{rule['high']}" if rule["high"] < float("inf") else f"of at least {rule['low']}"
        raise ValueError(f"must be {what} {bounds}")
    return item.type(text)
