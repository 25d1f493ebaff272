"""The dashboard of the service: is it up, what fails, is it fast, and which pod is to blame."""

from deploy.grafana import alerts, objectives, pods
from deploy.grafana.panels import Panel, dashboard, graph, heatmap, quantile, stat, table
from deploy.grafana.pods import TRAFFIC

CALLERS_ERRORS = f'mnist_http_requests_total{{*, {alerts.traffic()}, status=~"4.."}}'
FAILED = f'mnist_http_requests_total{{*, {alerts.traffic()}, status=~"5.."}}'
PREDICTIONS = f"mnist_http_request_duration_seconds_bucket{{*, {alerts.predictions()}}}"


def build() -> str:
    """The dashboard as JSON text."""
    return dashboard(
        "mnist-api-service",
        "mnist-api service",
        "The pods that answer requests: objectives, requests, latency, saturation. Where to look first when paged.",
        {
            "Now": [*_now(), _alerts()],
            "Objectives": objectives.panels(),
            "Requests": _requests(),
            "Latency": _latency(),
            "Saturation": pods.saturation(),
            "Pods": pods.panels(),
        },
    )


def _now() -> list[Panel]:
    slow_s = alerts.slow_s()
    return [
        stat(
            "Requests a second",
            "Requests answered a second, those of probes left out.",
            "reqps",
            f"sum(rate({TRAFFIC}[$__rate_interval]))",
        ),
        stat(
            "Failed requests",
            "Requests that were answered with a 5xx in the time that is shown.",
            "short",
            f"sum(increase({FAILED}[$__range]))",
            limits={1: "red"},
        ),
        stat(
            "p99 of predictions",
            f"99 % of the predictions in the time that is shown took no longer. {slow_s * 1000:g} ms is slow.",
            "s",
            quantile(0.99, PREDICTIONS, window="$__range"),
            limits={slow_s: "red"},
        ),
        stat("Pods", "Pods that answer Prometheus.", "short", "count(mnist_workers{*})"),
        stat("Workers", "Worker processes alive in all pods.", "short", "sum(mnist_workers{*})"),
        stat(
            "Alerts that fire",
            "Alerts of this service and its model that fire now.",
            "short",
            'count(ALERTS{*, alertname=~"Mnist.*", alertstate="firing"}) or vector(0)',
            limits={1: "red"},
        ),
    ]


def _alerts() -> Panel:
    by = ["alertname", "severity", "alertstate", "namespace", "job"]
    return table(
        "Alerts",
        "Alerts that fire, or wait until they have lasted long enough. The runbook has a section for each.",
        {"Series": f'count by ({", ".join(by)}) (ALERTS{{*, alertname=~"Mnist.*"}})'},
        by=by,
        width=24,
        height=5,
    )


def _requests() -> list[Panel]:
    return [
        graph(
            "Requests by route",
            "Requests a second, probes among them. What no route takes is unmatched.",
            "reqps",
            {"{{route}}": "sum by (route) (rate(mnist_http_requests_total{*}[$__rate_interval]))"},
            stacked=True,
        ),
        graph(
            "Requests by status",
            "Requests a second by HTTP status, those of probes left out.",
            "reqps",
            {"{{status}}": f"sum by (status) (rate({TRAFFIC}[$__rate_interval]))"},
            stacked=True,
        ),
        graph(
            "Share of errors",
            "5xx are the service's errors and spend its budget; 4xx are the callers'.",
            "percentunit",
            {"5xx": _share(FAILED), "4xx": _share(CALLERS_ERRORS)},
        ),
        graph(
            "Rejected by reason",
            "Requests a second that were answered with an error, by the error's code. Overloaded: refused because too "
            "many waited.",
            "reqps",
            {"{{reason}}": "sum by (reason) (rate(mnist_rejected_total{*}[$__rate_interval]))"},
        ),
    ]


def _share(requests: str) -> str:
    # A status that no request has had yet has no series.
    some = f"(sum(rate({requests}[$__rate_interval])) or vector(0))"
    return f"{some} / sum(rate({TRAFFIC}[$__rate_interval]))"


def _latency() -> list[Panel]:
    waited, model = "mnist_queue_wait_seconds_bucket{*}", "mnist_prediction_latency_seconds_bucket{*}"
    return [
        graph(
            "Duration of predictions",
            "From a request's head to its answer, through whichever door: the median, and what 95 % and 99 % stay "
            "below. The line is slow.",
            "s",
            {f"p{share * 100:g}": quantile(share, PREDICTIONS) for share in (0.5, 0.95, 0.99)},
            limits={alerts.slow_s(): "red"},
        ),
        heatmap("Durations of predictions", "Two groups of callers show as two bands.", "s", PREDICTIONS),
        graph(
            "Waiting or computing?",
            "p99 of the wait for a worker's attention, and of the time in the model. If the wait grows, there are too "
            "few pods; if the model's time grows, requests are larger or the CPU is throttled. The line is where "
            "MnistApiSaturated fires for waiting.",
            "s",
            {"waiting": quantile(0.99, waited), "model": quantile(0.99, model)},
            limits={alerts.limit("MnistApiSaturated", 1): "orange"},
        ),
        graph(
            "p99 by route",
            "99 % of a route's requests took no longer. If all routes are slow, it is the worker, not the model.",
            "s",
            {"{{route}}": quantile(0.99, "mnist_http_request_duration_seconds_bucket{*}", by="le, route")},
        ),
    ]
