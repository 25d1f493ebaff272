"""How a process keeps a number that it counts: as prometheus_client does, in a shared file, with two differences.

Its room is taken at once. A file of the library's takes room only where something is written, and where the file system
is full by then, the kernel kills the process.

To add to it takes less. Each prediction adds to some fifteen numbers, and all that metrics cost a request is that. The
library's way looks each time whether this process was forked, whether the metric has all its labels, takes a lock, and
searches where the number lies; here a worker looks once, when it starts, and has one thread that counts. Imports no
other module of app.
"""

import logging
import os
import struct
from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from typing import Any

from prometheus_client import Counter, Gauge, Histogram, values
from prometheus_client.mmap_dict import MmapedDict

Add = Callable[[float], None]

log = logging.getLogger(__name__)
_INITIAL_BYTES = 64 * 1024
_FIELDS_BYTES = 32  # what a number takes beside its key, at most

_pack = struct.Struct("dd").pack  # as prometheus_client.mmap_dict lays a number and its time


@cache
def install() -> None:
    """Let metrics that are made from now on be kept like this, if they are shared at all."""
    if values.ValueClass._multiprocess:
        values.MmapedDict = Counts  # type: ignore[attr-defined]
        values.ValueClass = _shared_value(values.ValueClass)


def adding(metric: Counter | Gauge) -> Add:
    """A function that adds to a metric that has all its labels; to a counter, nothing below 0."""
    add: Add = metric._value.inc
    return add


def observing(histogram: Histogram) -> Add:
    """A function that counts a number in a histogram that has all its labels."""
    add_sum: Add = histogram._sum.inc
    bounds = histogram._upper_bounds
    buckets = [bucket.inc for bucket in histogram._buckets]

    def observe(amount: float) -> None:
        add_sum(amount)
        buckets[bisect_left(bounds, amount)](1)

    return observe


class Counts(MmapedDict):  # type: ignore[misc]
    """Numbers in a file whose room is taken before anything is written.

    Where there is none, the numbers go on in memory, where no scrape sees them: better than no predictions.
    """

    def __init__(self, path: str, read_mode: bool = False) -> None:
        super().__init__(path if read_mode or _take_room(path, _INITIAL_BYTES) else _unseen().name, read_mode)

    def _init_value(self, key: str) -> None:
        if self._used + len(key) + _FIELDS_BYTES > self._capacity and not _take_room(self._fname, self._capacity * 2):
            unseen = _unseen()
            unseen.write(self._m)
            self._f.close()
            self._f: Any = unseen
        super()._init_value(key)


def _take_room(path: str, size_bytes: int) -> bool:
    """Make a file, or make it larger. False if there is no room for that."""
    if not hasattr(os, "posix_fallocate"):  # outside Linux
        return True
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
        finally:
            os.close(descriptor)
    except OSError as error:
        log.error(  # noqa: TRY400  # what is missing says it; where, does not help
            "no room for metrics, process %d counts unseen: %s", os.getpid(), error
        )
        return False
    return True


def _unseen() -> Any:
    """A new file in memory, open; its name leads to it as long as this process lives."""
    descriptor = os.memfd_create("metrics")
    return open(f"/proc/self/fd/{descriptor}", "a+b")  # noqa: PTH123  # the library closes it


def _shared_value(base: Any) -> Any:
    class SharedValue(base):  # type: ignore[misc]
        """A number in this process' file. Only `inc` is short; a worker's first `set` moves all to its own file."""

        def inc(self, amount: float) -> None:
            self._value += amount
            file = self._file
            position = file._positions[self._key]
            # One assignment, as in the library: pack_into would write zeros first, which a scrape could read.
            file._m[position : position + 16] = _pack(self._value, 0.0)

    return SharedValue
