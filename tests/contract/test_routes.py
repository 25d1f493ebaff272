"""The routes that rules and dashboards choose are those that the service counts as predictions, or as probes."""

import re

import pytest

from app import metrics, model
from app.config import Settings
from app.main import create_app
from deploy.grafana import alerts
from deploy.grafana.__main__ import built
from tests.serving import CHAMPION, ROOT

TEXTS = {
    "rules": alerts.RULES.read_text(),
    "runbook": (ROOT / "deploy" / "RUNBOOK.md").read_text(),
    **{path.stem: text.replace('\\"', '"') for path, text in built().items()},
}


@pytest.fixture(scope="module")
def routes():
    """Every route that the service may count."""
    rules = create_app(Settings(), model.load(CHAMPION)).url_map.iter_rules()
    return {rule.rule for rule in rules} | {metrics.UNMATCHED}


def chosen(operator, routes):
    """The routes that each matcher with this operator names, by where it stands."""
    for name, text in TEXTS.items():
        for pattern in set(re.findall(rf"""\broute{operator}["']([^"']*)["']""", text)):
            yield name, {route for route in routes if re.fullmatch(pattern, route)}


def test_predictions_are_chosen_through_every_door(routes):
    found = list(chosen("=~?", routes))
    assert {"rules", "runbook", "service"} <= {name for name, _ in found}
    for name, matched in found:
        assert matched == set(metrics.PREDICTION_ROUTES), name


def test_probes_are_left_out_and_nothing_else(routes):
    found = list(chosen("!~", routes))
    assert {"rules", "service"} <= {name for name, _ in found}
    for name, matched in found:
        assert matched == {route for route in routes if metrics.is_probe(route)}, name
