"""The panels that tell pods apart: how near each is to its limits, and how it fares."""

from deploy.grafana import alerts
from deploy.grafana.panels import Panel, graph, heatmap, table

NAME = "{{pod}} {{instance}}"  # in a legend; a Prometheus outside a cluster knows only the instance
BY = "instance, pod"
STARTED = "mnist_arbiter_process_start_time_seconds{*}"
# Those of probes left out: they go on where nothing else comes.
TRAFFIC = f"mnist_http_requests_total{{*, {alerts.traffic()}}}"


def saturation() -> list[Panel]:
    """What a pod may run out of."""
    return [
        _cpu(),
        graph(
            "Requests in progress",
            "Requests being answered, or waiting for that, at the moment of the scrape.",
            "short",
            {NAME: f"sum by ({BY}) (mnist_requests_in_progress{{*}})"},
            width=8,
        ),
        heatmap("Images a request", "Predictions by their size.", "none", "mnist_batch_size_bucket{*}", width=8),
        graph(
            "Memory",
            "Resident memory of a pod's workers together, who share some of it, and of their arbiter.",
            "bytes",
            {
                f"workers {NAME}": f"sum by ({BY}) (mnist_worker_resident_memory_bytes{{*}})",
                f"arbiter {NAME}": f"sum by ({BY}) (mnist_arbiter_process_resident_memory_bytes{{*}})",
            },
            width=8,
        ),
        graph(
            "Open files",
            "Open file descriptors, connections among them, of a pod's worker with the most.",
            "short",
            {NAME: f"max by ({BY}) (mnist_worker_open_fds{{*}})"},
            width=8,
        ),
        _garbage(),
    ]


def _cpu() -> Panel:
    cpu = f"sum by ({BY}) (rate(mnist_worker_cpu_seconds_total{{*}}[$__rate_interval]))"
    return graph(
        "CPU a worker",
        "Share of one core that a worker uses, on average over a pod's workers. The line is where MnistApiSaturated "
        "fires for the average over all pods.",
        "percentunit",
        {NAME: f"{cpu} / sum by ({BY}) (mnist_workers{{*}})"},
        width=8,
        limits={alerts.limit("MnistApiSaturated", 0): "orange"},
    )


def _garbage() -> Panel:
    paused = "sum by (generation) (rate(mnist_worker_gc_pause_seconds_total{*}[$__rate_interval]))"
    return graph(
        "Garbage collection",
        "Share of its time in which a worker stood still to collect garbage, by generation.",
        "percentunit",
        {"generation {{generation}}": f"{paused} / on () group_left () sum(mnist_workers{{*}})"},
        width=8,
    )


def panels() -> list[Panel]:
    """A table of the pods, and what differs between them over time."""
    exits = f"sum by ({BY}, reason) (increase(mnist_worker_exits_total{{*}}[$__rate_interval]))"
    return [
        _table(),
        graph(
            "Requests by pod",
            "Requests a second, those of probes left out. A pod that gets none is not ready, or new.",
            "reqps",
            {NAME: f"sum by ({BY}) (rate({TRAFFIC}[$__rate_interval]))"},
            width=8,
        ),
        graph(
            "Workers that ended",
            "Ended: after a reload, or to be replaced. Crashed: killed, for memory perhaps, or failed.",
            "short",
            {f"{{{{reason}}}} {NAME}": exits},
            width=8,
        ),
        table(
            "Builds",
            "What runs. More than one row during a rollout only.",
            {"Pods": "count by (version, revision, python) (mnist_build_info{*})"},
            by=["version", "revision", "python"],
            width=8,
            height=8,
        ),
    ]


def _table() -> Panel:
    return table(
        "Each pod",
        "Crashes: workers that were killed or failed. Restarts: starts of the whole service in a pod that stayed. "
        "Both in the time that is shown.",
        {
            "Workers": f"sum by ({BY}) (mnist_workers{{*}})",
            "Requests a second": f"sum by ({BY}) (rate({TRAFFIC}[$__range]))",
            "Crashes": f'sum by ({BY}) (increase(mnist_worker_exits_total{{*, reason="crashed"}}[$__range]))',
            "Restarts": f"sum by ({BY}) (changes({STARTED}[$__range]))",
            "Up for": f"time() - max by ({BY}) ({STARTED})",
        },
        by=["pod", "instance"],
        units={"Requests a second": "reqps", "Up for": "s"},
        width=24,
    )
