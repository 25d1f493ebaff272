"""Log lines."""

import json
import logging

import pytest

from app.logs import JsonFormatter, request, request_id


def formatted(**values):
    record = logging.makeLogRecord({"name": "app", "levelname": "INFO", "msg": "hello %s", "args": ("you",), **values})
    line = JsonFormatter().format(record)
    assert "\n" not in line
    return json.loads(line)


def test_a_line_has_time_level_logger_and_message():
    line = formatted(created=0.0)
    assert line == {"time": "1970-01-01T00:00:00.000+00:00", "level": "info", "logger": "app", "message": "hello you"}


def test_extra_values_are_there_as_they_are():
    assert formatted(count=3, path=None)["count"] == 3


def test_an_exception_is_one_line():
    error = ValueError("first\nsecond")
    line = formatted(exc_info=(type(error), error, None))
    assert "ValueError: first\nsecond" in line["exception"]


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 128])
def test_fit_request_id_is_kept(given):
    assert request_id(given) == given


def test_new_request_ids_differ():
    assert request_id(None) != request_id(None)


def test_half_a_character_is_logged_all_the_same():
    assert formatted(path="\udcff", parts={1})["path"] == "\udcff"


def test_the_line_of_a_request_is_a_record_like_any_other(caplog):
    """Other formatters and handlers, such as pytest's, find in it what the library's own records have."""
    with caplog.at_level("INFO", "app.request"):
        request(200, request_id="a")
    (record,) = caplog.records
    assert vars(logging.makeLogRecord({})).keys() <= vars(record).keys()
    assert (record.name, record.levelname, record.getMessage()) == ("app.request", "INFO", "request")
    assert record.request_id == "a"


def test_quiet_and_failed_requests_have_their_levels(caplog):
    with caplog.at_level("DEBUG", "app.request"):
        request(200, quiet=True)
        request(500, quiet=True)
    assert [record.levelname for record in caplog.records] == ["DEBUG", "ERROR"]
