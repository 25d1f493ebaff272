"""What a load shape offers and what must come of it, read from a file such as slo.toml. Standard library only."""

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent / "slo.toml"
SHAPES = ("smoke", "steady", "spike", "step", "soak")


class ObjectivesError(Exception):
    """The file of objectives cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True)
class Workers:
    """What may become of the service's workers under a long load."""

    memory_growth: float
    latency_drift: float
    more_fds: float


@dataclass(frozen=True)
class Objectives:
    """One table of the file; its comments say what each field means."""

    rate: float
    duration_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failures: float
    throughput: float


def read(shape: str, path: Path = PATH, duration_s: float = 0) -> Objectives:
    """Read a shape's objectives; a duration that is given stands in place of the file's. Raises ObjectivesError."""
    table = {name: value for name, value in _table(path, shape).items() if not isinstance(value, dict)}
    objectives: Objectives = _parse(Objectives, table, f"{path}: [{shape}]")
    return replace(objectives, duration_s=duration_s) if duration_s else objectives


def read_workers(path: Path = PATH) -> Workers:
    """Read what `make soak` asks of the workers. Raises ObjectivesError."""
    workers: Workers = _parse(Workers, _table(path, "soak").get("workers", {}), f"{path}: [soak.workers]")
    return workers


def _table(path: Path, shape: str) -> dict[str, Any]:
    try:
        tables = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ObjectivesError(f"{path}: {error}") from error
    if shape not in tables:
        raise ObjectivesError(f"{path} has no table [{shape}]. It has: {', '.join(tables)}")
    return dict(tables[shape])


def _parse(kind: Any, table: dict[str, Any], where: str) -> Any:
    names = [field.name for field in fields(kind)]
    if table.keys() != set(names):
        raise ObjectivesError(f"{where} must have {', '.join(names)}. It has: {', '.join(table)}")
    for name, value in table.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise ObjectivesError(f"{where} {name} = {value!r}: this must be a number, 0 or more")
    return kind(**table)
