"""Logs: JSON lines on standard error, and the request id that ties a line to an answer.

Imports no other module of app.
"""

import json
import logging
import os
import re
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zlib import crc32

import msgspec

REQUEST_ID_HEADER = "X-Request-Id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_REQUESTS = logging.getLogger("app.request")
_ENCODER = msgspec.json.Encoder(enc_hook=str)
_BLANK = vars(logging.makeLogRecord({}))
_STANDARD = frozenset(_BLANK) | {"message", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, then whatever was passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": f"{_second(int(record.created))}.{int(record.created % 1 * 1000):03}+00:00",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if isinstance(record, _Request):
            line |= record.values
        else:
            line.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
        if record.exc_info and record.exc_info[1]:
            line["exception"] = "".join(traceback.format_exception(record.exc_info[1]))
        try:
            return _ENCODER.encode(line).decode()
        except UnicodeEncodeError:  # half a character, as in the name of a file that is not UTF-8
            return json.dumps(line, default=str)


class _Request(logging.LogRecord):
    """What is logged of a request. A record of the library's own finds out file, line, thread and process as well."""

    def __init__(self, level: int, values: dict[str, Any]) -> None:
        vars(self).update(_BLANK)
        self.name, self.msg = _REQUESTS.name, "request"
        self.levelno, self.levelname = level, logging.getLevelName(level)
        self.created = time.time()
        self.values = values
        vars(self).update(values)


@lru_cache(maxsize=1)
def _second(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def config(level: str) -> dict[str, Any]:
    """The logging configuration, in the form of `logging.config.dictConfig`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {"gunicorn.error": {"level": level.upper(), "handlers": [], "propagate": True}},
    }


@contextmanager
def captured(name: str) -> Iterator[None]:
    """Log what libraries written in C print on standard error meanwhile, as lines of the logger of this name."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # what is more than a pipe holds is lost, rather than waited for
    kept = os.dup(2)
    os.dup2(writing, 2)
    os.close(writing)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        with open(reading, errors="replace") as printed:  # noqa: PTH123  # a descriptor, no path
            for line in printed.read().splitlines():
                logging.getLogger(name).info(line)


def request_id(given: str | None) -> str:
    """The caller's request id if it is 1 to 128 of A-Z a-z 0-9 . _ -, otherwise a new one."""
    return given if given and _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()


def is_sampled(request_id: str, share: float) -> bool:
    """Whether a request belongs to the share that is logged: decided by its id, so that every service decides alike."""
    return share >= 1 or crc32(request_id.encode()) < share * 2**32


def request(status: int, *, quiet: bool = False, **values: Any) -> None:
    """Write the line of one request; a quiet one only where everything is logged."""
    level = logging.ERROR if status >= 500 else logging.DEBUG if quiet else logging.INFO
    if _REQUESTS.isEnabledFor(level):
        _REQUESTS.handle(_Request(level, {"status": status, **values}))
