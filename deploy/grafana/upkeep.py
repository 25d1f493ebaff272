"""The panels that say whether the model needs its successor: what callers confirmed, and which models answer."""

from deploy.grafana.panels import Panel, bars, graph, stat, table

CONFIRMED = "(increase(mnist_feedback_total{*}[1d]))"
RIGHT = '(increase(mnist_feedback_total{*, outcome="right"}[1d]))'


def feedback() -> list[Panel]:
    return [
        stat(
            "Confirmed accuracy, 1 day",
            "Share of the confirmed predictions of the last day that were right.",
            "percentunit",
            f"sum{RIGHT} / (sum{CONFIRMED} > 0)",
            width=4,
        ),
        bars(
            "Confirmed accuracy by digit, 1 day",
            "Of the images that callers say show this digit, the share that was predicted as it.",
            "percentunit",
            {"right": f"sum by (label) {RIGHT} / (sum by (label) {CONFIRMED} > 0)"},
            by="label",
            width=10,
        ),
        graph(
            "Confirmations an hour",
            "Predictions that callers confirmed, or corrected, in the hour before.",
            "short",
            {"{{outcome}}": "sum by (outcome) (increase(mnist_feedback_total{*}[1h]))"},
            width=10,
            stacked=True,
        ),
    ]


def models() -> list[Panel]:
    by = "version, dataset, sha256"
    trained = "(time() - mnist_model_created_timestamp_seconds{*})"
    return [
        table(
            "Models in the cluster",
            "Each model that answers now, how many pods serve it, and the time since it was trained.",
            {
                "Pods": f"count by ({by}) (mnist_model_info{{*}})",
                "Age": f"max by ({by}) (mnist_model_info{{*}} * on (namespace, job, instance) group_left () {trained})",
            },
            by=["version", "dataset", "sha256"],
            units={"Age": "s"},
        ),
        graph(
            "Pods by model",
            "Pods that serve each model: a rollout, and a roll-back, is where the lines cross.",
            "short",
            {"{{version}} {{sha256}}": "sum by (version, sha256) (mnist_model_info{*})"},
            stacked=True,
        ),
    ]
