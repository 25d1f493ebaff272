"""How a worker writes one number: prometheus_client's value in a shared file, with a shorter way to add to it.

Each prediction adds to some fifteen numbers, and all that metrics cost a request is that. The library's way looks each
time whether this process was forked, takes a lock, and searches where the number lies; here a worker looks once, when
it starts, and has one thread that counts. Imports no other module of app.
"""

import struct
from functools import cache
from typing import Any

from prometheus_client import values

_pack = struct.Struct("dd").pack  # as prometheus_client.mmap_dict lays a number and its time


@cache
def install() -> None:
    """Let metrics that are made from now on be written the short way, if they are shared at all."""
    if values.ValueClass._multiprocess:
        values.ValueClass = _shared_value(values.ValueClass)


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
