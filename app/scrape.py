"""What Prometheus asks: the workers' counts, summed. Lives in the arbiter, which is idle while every worker is busy.

Each process counts in files of its own, named by its pid. Those of a worker that ended are added to one of no process,
so that nothing is lost and nothing grows, however many workers come and go. Imports app.value only.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from app.value import Counts

_NO_PROCESS = 0


class Workers(Collector):
    """The sum over the living and the dead workers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # A scrape must not find the counts of a dead worker twice, or not at all.
        self._lock = Lock()

    def collect(self) -> Iterator[Any]:
        with self._lock:
            return iter(MultiProcessCollector.merge([str(path) for path in _begun(self._folder.glob("*.db"))]))

    def fold(self, pid: int) -> None:
        """Add the counts of a worker that ended to those of all that ended before, and remove its files."""
        with self._lock:
            files = list(self._folder.glob(f"*_{pid}.db"))
            for path in _begun(files):
                kind = path.name.partition("_")[0]
                if kind in {"counter", "histogram"}:
                    _add(path, self._folder / f"{kind}_{_NO_PROCESS}.db")
            for path in files:
                path.unlink(missing_ok=True)


def serve(host: str, port: int, workers: Workers) -> WSGIServer:
    """Answer scrapes from a thread. Raises OSError if the port is taken."""
    registry = CollectorRegistry()
    registry.register(workers)
    ProcessCollector(namespace="mnist_arbiter", registry=registry)
    server, _ = start_http_server(port, host, registry)
    return server


def _begun(files: Iterable[Path]) -> list[Path]:
    """Leave out files that a worker is making at this moment: empty ones cannot be read, and nothing is in them yet."""
    return [path for path in files if path.stat().st_size]


def _add(source: Path, target: Path) -> None:
    if not target.exists():
        source.rename(target)  # which takes no room, where there may be none
        return
    total = Counts(str(target))
    try:
        for key, value, _, _ in Counts.read_all_values_from_file(str(source)):
            total.write_value(key, total.read_value(key)[0] + value, 0.0)
    finally:
        total.close()
