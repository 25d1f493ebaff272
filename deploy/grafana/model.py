"""The dashboard of the model: is what it sees and says still what its training led to expect, and is it right."""

from deploy.grafana import alerts, upkeep
from deploy.grafana.panels import Panel, bars, dashboard, graph, stat

RELEASE = "{{namespace}} {{job}}"
SHARE = "percentunit"


def build() -> str:
    """The dashboard as JSON text."""
    return dashboard(
        "mnist-api-model",
        "mnist-api model",
        "The model that is served: drift of what it sees and says against the validation images of its training, "
        "accuracy as callers confirmed it, and which model it is.",
        {
            "Now": _now(),
            "Drift": _drift(),
            "Predictions": _predictions(),
            "Confidence and input": _distributions(),
            "Feedback": upkeep.feedback(),
            "Models": upkeep.models(),
        },
    )


def _now() -> list[Panel]:
    enough = alerts.limit("MnistModelClassDrift", 1)
    return [
        stat(
            "Images, 1 hour",
            f"Images classified in the last hour. Up to {enough:g}, drift is not judged: chance alone drifts.",
            "short",
            "sum(mnist:predictions:increase1h{*})",
            width=6,
            base="orange",
            limits={enough: "green"},
        ),
        stat(
            "Models",
            "Different models that answer now. Two during a rollout, one otherwise.",
            "short",
            "count(count by (sha256) (mnist_model_info{*}))",
            width=6,
            limits={2: "orange"},
        ),
        stat(
            "Age",
            "Time since the oldest model that answers was trained.",
            "s",
            "time() - min(mnist_model_created_timestamp_seconds{*})",
            width=6,
            limits={alerts.limit("MnistModelStale"): "orange"},
        ),
        stat(
            "Confirmed, 1 day",
            "Predictions that callers confirmed or corrected in the last day.",
            "short",
            "sum(increase(mnist_feedback_total{*}[1d]))",
            width=6,
        ),
    ]


def _drift() -> list[Panel]:
    classes = "avg by (digit) (mnist:class_ratio:1h{*} - on (namespace, job, digit) mnist:class_reference{*})"
    return [
        _psi("Digits", "mnist:class_psi:1h", "MnistModelClassDrift"),
        _psi("Confidence", "mnist:confidence_psi:1h", "MnistModelConfidenceDrift"),
        _psi("Ink", "mnist:intensity_psi:1h", "MnistModelIntensityDrift"),
        graph(
            "Unsure more often than in validation",
            "Share of the last hour's images with a confidence of 0.9 or less, minus the same share of the "
            "validation images. The line is where MnistModelConfidenceDrop fires.",
            SHARE,
            {RELEASE: "mnist:low_confidence_excess:1h{*}"},
            limits={alerts.limit("MnistModelConfidenceDrop"): "orange"},
            minimum=None,
        ),
        graph(
            "Digits predicted more often than in validation",
            "Share of each digit in the last hour minus its share of the validation images: which digit makes the "
            "drift above.",
            SHARE,
            {"{{digit}}": classes},
            minimum=None,
        ),
    ]


def _psi(what: str, record: str, alert: str) -> Panel:
    return graph(
        f"{what}: stability index",
        "Population stability index of the last hour against the validation images: 0 is no difference. The line is "
        f"where {alert} fires.",
        "none",
        {RELEASE: f"{record}{{*}}"},
        width=8,
        limits={alerts.limit(alert): "orange"},
    )


def _predictions() -> list[Panel]:
    return [
        bars(
            "Digits, 1 hour",
            "Share of each predicted digit in the last hour, beside its share of the validation images.",
            SHARE,
            {
                "last hour": "avg by (digit) (mnist:class_ratio:1h{*})",
                "validation": "avg by (digit) (mnist:class_reference{*})",
            },
            by="digit",
        ),
        graph(
            "Images a second by digit",
            "Images classified a second, by predicted digit.",
            "cps",
            {"{{digit}}": "sum by (digit) (rate(mnist_predictions_total{*}[$__rate_interval]))"},
            stacked=True,
        ),
    ]


def _distributions() -> list[Panel]:
    return [
        _bins("Confidence, 1 hour", "the probability of the predicted digit", "confidence"),
        _bins("Ink, 1 hour", "the mean pixel", "intensity"),
        graph(
            "Mean confidence",
            "Mean probability of the predicted digit.",
            SHARE,
            {"mean": _mean("mnist_prediction_confidence")},
            width=8,
            minimum=None,
        ),
        graph(
            "Mean ink",
            "Mean pixel, 0 is background and 1 is ink. A jump is a caller whose images are inverted or scaled.",
            "none",
            {"mean": _mean("mnist_input_intensity")},
            width=8,
        ),
        graph(
            "Images a second by form",
            "Images a second by the form in which they came: one list of numbers, or rows of them.",
            "cps",
            {"{{kind}}": "sum by (kind) (rate(mnist_inputs_total{*}[$__rate_interval]))"},
            width=8,
        ),
    ]


def _bins(title: str, what: str, name: str) -> Panel:
    def by_upper_edge(record: str) -> str:
        return f'avg by (up_to) (label_replace({record}{{*}}, "up_to", "$1", "le", "(.*)"))'

    return bars(
        title,
        f"Share of the images by {what}, in the last hour and in validation. Each bin is named by its upper edge.",
        SHARE,
        {
            "last hour": by_upper_edge(f"mnist:{name}_ratio:1h"),
            "validation": by_upper_edge(f"mnist:{name}_reference"),
        },
        by="up_to",
    )


def _mean(histogram: str) -> str:
    return f"sum(rate({histogram}_sum{{*}}[$__rate_interval])) / sum(rate({histogram}_count{{*}}[$__rate_interval]))"
