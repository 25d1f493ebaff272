"""Every query of every panel and alert, on a Prometheus that scraped the service: none is wrong, none finds nothing."""

import json
import re

import pytest
import yaml

from deploy.grafana import alerts
from tests.serving import ROOT

FILES = ROOT / "helm" / "mnist-api" / "files"
RULES = yaml.safe_load((FILES / "alerts.yaml").read_text())
# What Grafana puts in place of its variables.
GRAFANA = {
    "$__rate_interval": "10s",
    "$__interval": "1s",
    "$namespace": ".*",
    "$job": ".*",
}


def panel_queries():
    for path in sorted((FILES / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield pytest.param(target, id=f"{path.stem}: {panel['title']} {target['refId']}")


@pytest.mark.parametrize("target", list(panel_queries()))
def test_panel_query_finds_something(prometheus, target):
    query = target["expr"]
    for variable, value in {**GRAFANA, "$__range": f"{prometheus.watched_s}s"}.items():
        query = query.replace(variable, value)
    assert prometheus.values(query, each_second=not target.get("instant"))


def rules(kind):
    found = [rule for group in RULES["groups"] for rule in group["rules"] if kind in rule]
    assert found
    return [pytest.param(rule, id=rule[kind]) for rule in found]


@pytest.mark.parametrize("rule", rules("record"))
def test_recording_rule_records_something(prometheus, rule):
    assert prometheus.values(rule["record"])


@pytest.mark.parametrize("rule", rules("alert"))
def test_alert_compares_something(prometheus, rule):
    """With `bool`, a comparison gives 0 or 1 for each thing that it compares, and nothing only if there is none."""
    query = re.sub(r"(==|!=|>=|<=|(?<![=!<>~])[<>](?!=)) (?=[\d.])", r"\1 bool ", rule["expr"])
    query = query.replace("absent(", "group(")
    assert query != rule["expr"]
    # A guard for too little traffic, which this was, would hide what is compared: it is a number here, not a filter.
    assert prometheus.values(query)


def test_no_rule_fails_and_no_alert_fires_but_for_the_workers_that_crashed(prometheus):
    groups = prometheus.ask("rules")["groups"]
    assert {group["name"] for group in groups} == {group["name"] for group in RULES["groups"]}
    evaluated = [rule for group in groups for rule in group["rules"]]
    assert {rule["health"] for rule in evaluated} == {"ok"}
    assert [rule["name"] for rule in evaluated if rule.get("state") == "firing"] == ["MnistApiRestarts"]


def test_both_pods_and_all_their_workers_are_there(prometheus, services):
    assert prometheus.values("up") == [1, 1]
    prometheus.until(lambda running: running.values("sum(mnist_workers)") == [4])
    answered = sum(
        value
        for one in services
        for name, value in one.metrics().items()
        if name.startswith("mnist_http_requests_total") and "/health" not in name
    )
    query = f"sum(mnist_http_requests_total{{{alerts.traffic()}}})"
    prometheus.until(lambda running: running.values(query) == [answered])
