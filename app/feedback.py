"""Feedback: which digit was predicted for a request, remembered for a while, so that a caller can say what was right.

One table in shared memory for all workers of a service, of a size that never changes: callers cannot make it grow.
It holds no request id, only a keyed hash. Imports no other module of app.
"""

import errno
import fcntl
import mmap
import os
import struct
import tempfile
import time
import weakref
from hashlib import blake2b
from threading import Lock

_DIGEST_BYTES = 16
# What is remembered of one request: the hash of its id, when it was answered, the digit, whether it was confirmed.
_SLOT = struct.Struct("<16sdBB6x")
_WAYS = 8  # slots a bucket; a new request takes the place of the oldest in its bucket
_TIMES = struct.Struct("<" + "16xd8x" * _WAYS)
_BUCKET_BYTES = _SLOT.size * _WAYS


class UnknownRequest(Exception):
    """No prediction is remembered under this request id."""


class AlreadyConfirmed(Exception):
    """The prediction was confirmed before: it counts once."""


class Feedback:
    """The digits predicted for the last requests. Processes that are forked share it."""

    def __init__(self, requests: int, max_age_s: int, folder: str | None = None) -> None:
        """Make a table for about this many requests: 32 bytes each. Raises OSError if there is no room for it."""
        self._max_age_s = max_age_s
        self._unknown = (
            f"no prediction of the last {max_age_s} seconds is remembered here under this request_id. Send the"
            " X-Request-Id of a request of one image, to where it was answered."
        )
        self._buckets = -(-requests // _WAYS)
        self._key = os.urandom(_DIGEST_BYTES)
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  # it lives as long as the table
        weakref.finalize(self, self._file.close)
        # Written, not only sized: a file system in memory that is full must say so now, not kill a worker later.
        size_bytes = self._buckets * _BUCKET_BYTES
        if self._file.write(bytes(size_bytes)) < size_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._table = mmap.mmap(self._file.fileno(), size_bytes)
        self._threads = Lock()

    def remember(self, request_id: str, digit: int) -> None:
        """Remember the digit that was predicted for a request of one image."""
        digest, start = self._place(request_id)
        with self._threads, _Locked(self._file.fileno(), start):
            bucket = self._table[start : start + _BUCKET_BYTES]
            slot = bucket.find(digest)
            if slot < 0:
                times = _TIMES.unpack(bucket)
                slot = times.index(min(times)) * _SLOT.size
            _SLOT.pack_into(self._table, start + slot, digest, time.monotonic(), digit, 0)

    def confirm(self, request_id: str) -> int:
        """Give the digit that was predicted for a request, once. Raises UnknownRequest and AlreadyConfirmed."""
        digest, start = self._place(request_id)
        with self._threads, _Locked(self._file.fileno(), start):
            slot = self._table[start : start + _BUCKET_BYTES].find(digest)
            if slot < 0:
                raise UnknownRequest(self._unknown)
            _, answered, digit, confirmed = _SLOT.unpack_from(self._table, start + slot)
            if time.monotonic() - answered > self._max_age_s:
                raise UnknownRequest(self._unknown)
            if confirmed:
                raise AlreadyConfirmed("this prediction was confirmed before, and counted.")
            _SLOT.pack_into(self._table, start + slot, digest, answered, digit, 1)
        return int(digit)

    def _place(self, request_id: str) -> tuple[bytes, int]:
        """The hash of a request id, and where its bucket begins."""
        digest = blake2b(request_id.encode(), digest_size=_DIGEST_BYTES, key=self._key).digest()
        return digest, int.from_bytes(digest[:8], "little") % self._buckets * _BUCKET_BYTES


class _Locked:
    """A bucket, for one process at a time. The kernel unlocks it if the process dies."""

    def __init__(self, descriptor: int, start: int) -> None:
        self._place = (descriptor, start)

    def __enter__(self) -> None:
        descriptor, start = self._place
        fcntl.lockf(descriptor, fcntl.LOCK_EX, _BUCKET_BYTES, start)

    def __exit__(self, *_: object) -> None:
        descriptor, start = self._place
        fcntl.lockf(descriptor, fcntl.LOCK_UN, _BUCKET_BYTES, start)
