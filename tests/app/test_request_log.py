"""The log: one JSON line a request, with what ties it to other systems, and nothing that a caller would keep secret."""

import json
import re

import pytest

from app.logs import is_sampled
from app.trace import continued
from tests.ways import NOT_HOT

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def answered(server, method="POST", path="/predict", body=None, headers=None):
    connection = server.connect()
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer, content


def line_of(server, answer):
    """The one line of a request, which may come a moment after its answer."""
    return line_with(server, answer.headers["X-Request-Id"])


def line_with(server, request_id):
    server.until(lambda: any(one.get("request_id") == request_id for one in server.requests_logged()))
    (line,) = (one for one in server.requests_logged() if one["request_id"] == request_id)
    return line


@pytest.mark.parametrize("way", ["lane", "flask"])
def test_a_prediction_is_one_line(server, golden, classifier, way):
    body = json.dumps({"image": golden[2].image})
    headers = {"X-Request-Id": f"log-{way}", "traceparent": TRACEPARENT} | (NOT_HOT if way == "flask" else {})
    answer, content = answered(server, body=body, headers=headers)
    line = line_of(server, answer)
    assert line["time"].endswith("+00:00")
    assert line.pop("duration_ms") > 0
    span_id = line.pop("span_id")
    line.pop("time")
    assert line == {
        "level": "info",
        "logger": "app.request",
        "message": "request",
        "request_id": f"log-{way}",
        "trace_id": TRACE,
        "method": "POST",
        "route": "/predict",
        "status": 200,
        "digit": golden[2].label,
        "confidence": pytest.approx(content["confidence"], abs=1e-6),
        "model_sha256": classifier.bundle.manifest.sha256,
    }
    assert answer.headers["traceparent"] == f"00-{TRACE}-{span_id}-01"
    assert re.fullmatch("[0-9a-f]{16}", span_id)
    assert span_id != "b7ad6b7169203331"


def test_nothing_that_may_be_secret_is_logged(server, golden):
    secrets = {"Authorization": "Bearer hunter2", "Cookie": "hunter2", "User-Agent": "hunter2"}
    answer, _ = answered(
        server, path="/predict?key=hunter2", body=json.dumps({"image": golden[2].image}), headers=secrets
    )
    line_of(server, answer)
    answer, _ = answered(server, "GET", "/hunter2", headers=secrets)
    assert line_of(server, answer)["route"] == "unmatched"
    answer, _ = answered(server, body='{"image": "hunter2"}', headers=secrets)
    assert line_of(server, answer)["error"] == "invalid_image"
    for sent, error in (
        (b"GET / HTTP/1.1\r\nhunter2\r\n\r\n", "malformed"),
        (b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nhunter2\r\n", "broken_body"),
    ):
        assert line_with(server, server.raw(sent)[1]["X-Request-Id"])["error"] == error
    log = "".join(server.log)
    assert "hunter2" not in log
    assert str(golden[2].image[400:410])[1:-1] not in log


def test_every_line_of_the_log_is_json(server):
    for line in server.log:
        assert {"time", "level", "logger", "message"} <= json.loads(line).keys()


def test_probes_are_logged_only_for_debugging(start_server):
    quiet, loud = start_server(), start_server(log_level="debug")
    for server in (quiet, loud):
        answer, _ = answered(server, "GET", "/health/live")
        if server is loud:
            assert line_of(server, answer)["route"] == "/health/live"
        server.stop()
    assert not quiet.requests_logged()


def test_successes_are_sampled_and_errors_never(start_server, golden):
    server = start_server(log_sample=0)
    good, _ = answered(server, body=json.dumps({"image": golden[2].image}))
    bad, _ = answered(server, body="{")
    assert line_of(server, bad)["error"] == "invalid_json"
    server.stop()
    assert good.headers["X-Request-Id"] not in "".join(server.log)


def test_a_share_is_that_share_and_the_same_in_every_service():
    sampled = {str(number) for number in range(10_000) if is_sampled(str(number), 0.25)}
    assert 2300 < len(sampled) < 2700
    assert sampled <= {str(number) for number in range(10_000) if is_sampled(str(number), 0.5)}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (TRACEPARENT, True),
        (TRACEPARENT.replace("00-", "cc-", 1), True),
        (TRACEPARENT.replace("00-", "cc-", 1) + "-more", True),
        (TRACEPARENT + "-more", False),
        (TRACEPARENT.replace("00-", "ff-", 1), False),
        (TRACEPARENT.upper(), False),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE}-b7ad6b7169203331", False),
        (f" {TRACEPARENT}", False),
        ("", False),
        (None, False),
    ],
)
def test_a_trace_is_continued_if_it_is_one(given, kept):
    """The cases are those of https://www.w3.org/TR/trace-context-1/#traceparent-header."""
    trace = continued(given)
    assert (trace.trace_id == TRACE) is kept
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", trace.header())
    assert continued(given).span_id != trace.span_id
