"""W3C Trace Context: the ids that tie a request's log line to those of the services before and behind this one.

https://www.w3.org/TR/trace-context-1/. Imports no other module of app.
"""

import os
import re
from typing import Any, NamedTuple

TRACEPARENT_HEADER = "traceparent"
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Trace(NamedTuple):
    """Where a request belongs: 32 hex digits of the trace, 16 of this service's part in it, 2 of flags."""

    trace_id: str
    span_id: str
    flags: str

    def header(self) -> str:
        """The value of `traceparent` for those who come after."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def continued(traceparent: str | None) -> Trace:
    """Take part in the caller's trace; in a new one, if the caller names none or a malformed one."""
    given = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    random = os.urandom(16).hex()
    # Version 00 ends after the flags; later ones may add to them.
    if given is None or (given[1] == "00" and given[5]):
        return Trace(random, random[16:], "00")
    return Trace(given[2], random[16:], given[4])


def export(app: Any) -> None:
    """Send spans by OpenTelemetry, as its own OTEL_ variables say.

    To be called in a worker, after the fork, because the exporter is a thread.
    Raises ImportError if the extra `tracing` is not installed.
    """
    from flask import g
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    os.environ.setdefault("OTEL_SERVICE_NAME", "mnist-api")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider, excluded_urls="health")

    def adopt() -> None:
        """Let logs and answer name the span that is exported."""
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            g.trace = Trace(f"{span.trace_id:032x}", f"{span.span_id:016x}", f"{span.trace_flags:02x}")

    app.before_request(adopt)
