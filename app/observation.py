"""What is kept of each answered request: its counts, and its line in the log. The same whichever way it was answered.

Nothing of its path, headers or body is logged, which may hold secrets and images. Imports app.config, app.logs,
app.metrics, app.predictor and app.trace only.
"""

from time import perf_counter
from typing import Any, NamedTuple

from app import logs
from app.config import Settings
from app.metrics import Metrics, is_probe, known_method
from app.predictor import Prediction
from app.trace import Trace


class Answered(NamedTuple):
    """A request that was answered. `route` is the URL rule, never the path; `start` as perf_counter tells it."""

    request_id: str
    trace: Trace
    start: float
    method: str
    route: str
    status: int
    prediction: Prediction | None = None
    error: str | None = None


class Observation:
    """Counts requests, and logs them."""

    def __init__(self, settings: Settings, metrics: Metrics, sha256: str) -> None:
        """`sha256` is the model's."""
        self._sample = settings.log_sample
        self._metrics = metrics
        self._sha256 = sha256

    def take(self, one: Answered, *, overloaded: bool) -> None:
        """Count a request and write its line."""
        duration_s = perf_counter() - one.start
        self._metrics.answered(one.method, one.route, one.status)
        self._metrics.took(one.route, duration_s)
        if one.error:
            self._metrics.rejected(one.error)
        # Under overload, what an answer can do without is left out first: a line costs an eighth of a request.
        if one.status >= 400 or (not overloaded and logs.is_sampled(one.request_id, self._sample)):
            self._log(one, duration_s)

    def _log(self, one: Answered, duration_s: float) -> None:
        values: dict[str, Any] = {
            "request_id": one.request_id,
            "trace_id": one.trace.trace_id,
            "span_id": one.trace.span_id,
            "method": known_method(one.method),
            "route": one.route,
            "duration_ms": round(duration_s * 1000, 3),
        }
        if one.prediction:
            values |= {
                "digit": one.prediction.prediction,
                "confidence": round(one.prediction.confidence, 6),
                "model_sha256": self._sha256,
            }
        if one.error:
            values["error"] = one.error
        # Probes ask every second or two, and say nothing as long as all is well.
        logs.request(one.status, quiet=one.status < 400 and is_probe(one.route), **values)
