"""The panels of the service's objectives: what was reached, what is left of the budget, how fast it is spent."""

from deploy.grafana import alerts
from deploy.grafana.panels import Panel, graph, stat

FAILED, SLOW = "mnist:request_error_ratio", "mnist:request_slow_ratio"  # shares, recorded over several windows
FAILED_ALERT, SLOW_ALERT = "MnistApiErrors", "MnistApiLatency"
WINDOWS = {"5 minutes": "5m", "1 hour": "1h", "6 hours": "6h", "3 days": "3d"}


def panels() -> list[Panel]:
    """Four numbers over two graphs."""
    fast = f"predictions answered within {alerts.slow_s() * 1000:g} ms"
    return [
        *_reached("Answered", "requests answered without a 5xx", FAILED, FAILED_ALERT),
        *_reached("Fast", fast, SLOW, SLOW_ALERT),
        _burn("Failures: how fast the budget is spent", FAILED, FAILED_ALERT),
        _burn("Slowness: how fast the budget is spent", SLOW, SLOW_ALERT),
    ]


def _reached(title: str, what: str, record: str, alert: str) -> list[Panel]:
    allowed = alerts.objective(f"{alert}Page")
    return [
        stat(
            f"{title}, 3 days",
            f"The share of {what} over 3 days. The objective is {1 - allowed:.1%}. The worst release, if several.",
            "percentunit",
            f"1 - max({record}:rate3d{{*}})",
            width=6,
            base="red",
            limits={1 - allowed: "green"},
        ),
        stat(
            f"{title}: budget left",
            f"What 3 days left of the {allowed:.1%} that the objective allows. Below 0, it is missed.",
            "percentunit",
            f"1 - max({record}:rate3d{{*}}) / {allowed:g}",
            width=6,
            base="red",
            limits={0: "green"},
        ),
    ]


def _burn(title: str, record: str, alert: str) -> Panel:
    allowed = alerts.objective(f"{alert}Page")
    tickets = dict.fromkeys(alerts.burn_rates(f"{alert}Ticket"), "orange")
    pages = dict.fromkeys(alerts.burn_rates(f"{alert}Page"), "red")
    return graph(
        title,
        "At 1 the month's budget lasts a month, at 2 half of it. The lines are where alerts fire, if a long and a "
        "short window are both above: orange for a ticket, red for a page. The worst release, if several.",
        "none",
        {name: f"max({record}:rate{window}{{*}}) / {allowed:g}" for name, window in WINDOWS.items()},
        limits=tickets | pages,
    )
