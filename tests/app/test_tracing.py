"""OpenTelemetry: spans leave for a collector when that is switched on, and nothing is loaded when not."""

import http.server
import json
import subprocess
import sys
import threading

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.app.test_request_log import TRACE, TRACEPARENT, answered, line_of
from tests.serving import ROOT


@pytest.fixture
def collector():
    """What an OpenTelemetry collector is asked over HTTP: gives its address and the spans, which grow."""
    spans = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in request.resource_spans:
                name = next(one.value.string_value for one in resource.resource.attributes if one.key == "service.name")
                spans.extend((name, span) for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}", spans
        listening.shutdown()


def test_spans_continue_the_callers_trace_and_are_those_of_the_log(start_server, collector, golden):
    address, spans = collector
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    server = start_server(environment, tracing="on")
    answer, _ = answered(server, "GET", "/model", headers={"traceparent": TRACEPARENT})
    own, _ = answered(server, "GET", "/example")
    predicted, _ = answered(server, body=json.dumps({"image": golden[0].image}))
    answered(server, "GET", "/health/live")
    lines = [line_of(server, one) for one in (answer, own, predicted)]
    assert server.stop() == 0
    sent = {span.name: (name, span.trace_id.hex(), span.span_id.hex()) for name, span in spans}
    assert sent == {
        "GET /model": ("mnist-api", TRACE, lines[0]["span_id"]),
        "GET /example": ("mnist-api", lines[1]["trace_id"], lines[1]["span_id"]),
        "POST /predict": ("mnist-api", lines[2]["trace_id"], lines[2]["span_id"]),
    }
    assert lines[0]["trace_id"] == TRACE


def test_a_collector_that_is_away_stops_no_request(start_server):
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    server = start_server(environment, tracing="on", shutdown_s=5)
    for _ in range(20):
        assert server.request("GET", "/model")[0] == 200


def test_nothing_is_loaded_where_it_is_off():
    code = """
import sys
from pathlib import Path
from app import main, model
from app.config import Settings
app = main.create_app(Settings(), model.load(Path("deploy/model")))
assert app.test_client().get("/model").status_code == 200
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
