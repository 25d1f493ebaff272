"""The dashboards: what is committed is what the code makes, and each panel asks only for what is there."""

import json
import re
from itertools import combinations

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana import alerts
from deploy.grafana.__main__ import built
from tests.serving import ROOT, Server

DASHBOARDS = {path.stem: json.loads(text) for path, text in built().items()}
PANELS = [
    pytest.param(panel, id=f"{name}-{panel['title']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    if panel["type"] != "row"
]
# Those that a test can put in without Grafana.
VARIABLES = {"namespace", "job", "__rate_interval", "__range"}
CHOSEN = 'namespace=~"$namespace", job=~"$job"'


def expressions(panel):
    return [target["expr"] for target in panel["targets"]]


@pytest.fixture(scope="module")
def served():
    """The names of every metric that the service has after its first request, and of every recorded one."""
    server = Server()
    try:
        names = {sample.partition("{")[0] for sample in server.metrics()}
    finally:
        server.stop()
    rules = [rule for group in yaml.safe_load(alerts.RULES.read_text())["groups"] for rule in group["rules"]]
    return names | {rule["record"] for rule in rules if "record" in rule}


def test_what_is_committed_is_what_the_code_makes():
    assert {path.name for path in built()} == {path.name for path in alerts.RULES.parent.glob("dashboards/*")}
    for path, text in built().items():
        assert (ROOT / path).read_text() == text, "run make dashboards"


def test_a_config_map_has_room_for_them():
    assert sum(len(text.encode()) for text in built().values()) < 2**19


def holds(read, given):
    """Whether what was read has all that was given. It may have more: what Grafana assumes where nothing is said."""
    if isinstance(given, dict):
        return given.keys() <= read.keys() and all(holds(read[key], value) for key, value in given.items())
    if isinstance(given, list):
        return len(read) == len(given) and all(map(holds, read, given))
    return read == given


@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafana_knows_every_field(name):
    register_default_plugins()
    read = json.loads(json.dumps(Dashboard.from_json(DASHBOARDS[name]), cls=JSONEncoder))
    assert holds(read, DASHBOARDS[name])


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_a_place_of_their_own(name):
    panels = DASHBOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    cells = set()
    for place in (panel["gridPos"] for panel in panels):
        covered = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not covered & cells
        assert max(x for x, _ in covered) < 24
        cells |= covered
    # Each line is full: what the code puts side by side fits there.
    assert {y for _, y in cells} == {y for x, y in cells if x == 23}


@pytest.mark.parametrize("panel", PANELS)
def test_panel_explains_itself(panel):
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("panel", PANELS)
def test_panel_asks_for_what_is_there_of_the_chosen_releases(panel, served):
    assert expressions(panel)
    for expression in expressions(panel):
        assert set(re.findall(r"\$([a-z_]+)", expression)) <= VARIABLES
        selected = re.findall(r"\b((?:mnist[_:]|ALERTS)[\w:]*)(?:\{([^}]*)\})?", expression)
        assert {name for name, _ in selected} <= served | {"ALERTS"}
        assert all(matchers.startswith(CHOSEN) for _, matchers in selected)


def test_no_panel_is_a_copy_of_another():
    panels = [one.values[0] for one in PANELS]
    for one, other in combinations(panels, 2):
        assert one["title"] != other["title"]
        assert one["description"] != other["description"] or expressions(one) != expressions(other)
        assert expressions(one) != expressions(other)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_release_is_chosen_at_first(name):
    datasource, *choices = DASHBOARDS[name]["templating"]["list"]
    assert (datasource["name"], datasource["type"]) == ("datasource", "datasource")
    for choice in choices:
        # Matches series without the label too: a Prometheus outside a cluster knows no namespace.
        assert (choice["allValue"], choice["current"]["value"]) == (".*", ["$__all"])
    assert {choice["name"] for choice in choices} == {"namespace", "job"}


def test_limits_that_are_drawn_are_those_of_the_alerts():
    drawn = {
        step["value"]
        for panel in (one.values[0] for one in PANELS)
        if panel["type"] == "timeseries"
        for step in panel["fieldConfig"]["defaults"].get("thresholds", {"steps": []})["steps"]
    }
    rules = alerts.RULES.read_text()
    assert len(drawn) > 5
    for value in drawn - {None}:
        assert re.search(rf'> {value:g}\b|le="{value:g}"', rules)


def test_alerts_are_read_as_they_are_written():
    assert alerts.objective("MnistApiErrorsPage") == alerts.objective("MnistApiErrorsTicket") == 0.001
    assert alerts.burn_rates("MnistApiErrorsPage") == [6, 14.4]
    assert alerts.limit("MnistModelStale") == 90 * 24 * 3600
    with pytest.raises(KeyError):
        alerts.expression("MnistApiUnknown")
