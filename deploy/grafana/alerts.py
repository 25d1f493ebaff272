"""What the chart's rules file decides and the dashboards draw: objectives and limits, so that each stands once."""

import math
import re
from pathlib import Path

import yaml

RULES = Path(__file__).parents[2] / "helm" / "mnist-api" / "files" / "alerts.yaml"
_COMPARISON = re.compile(r"[<>] ([\d.]+(?: \* [\d.]+)*)")


def expression(name: str) -> str:
    """The expression of the alert or recording rule of this name. Raises KeyError if there is none."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return {str(rule.get("alert") or rule["record"]): str(rule["expr"]) for rule in rules}[name]


def comparisons(alert: str) -> list[list[float]]:
    """What an alert compares with, in the order of its expression; `> 14.4 * 0.001` is [14.4, 0.001]."""
    found = _COMPARISON.findall(expression(alert))
    return [[float(factor) for factor in product.split(" * ")] for product in found]


def limit(alert: str, index: int = 0) -> float:
    """The number with which an alert's comparison of this index compares."""
    return math.prod(comparisons(alert)[index])


def objective(alert: str) -> float:
    """The share of requests that the objective behind a burn rate alert allows to be bad."""
    (share,) = {factors[-1] for factors in comparisons(alert)}
    return share


def burn_rates(alert: str) -> list[float]:
    """The multiples of the objective at which a burn rate alert fires, ascending."""
    return sorted({factors[0] for factors in comparisons(alert)})


def traffic() -> str:
    """The matcher of the routes that are not probes."""
    return _matcher("mnist:request_error_ratio:rate5m")


def predictions() -> str:
    """The matcher of the routes that lead to the model."""
    return _matcher("mnist:request_slow_ratio:rate5m")


def _matcher(rule: str) -> str:
    (matcher,) = set(re.findall(r'route[=!]~"[^"]*"', expression(rule)))
    return str(matcher)


def slow_s() -> float:
    """The seconds after which a prediction counts as slow."""
    (bound,) = set(re.findall(r'le="([\d.]+)"', expression("mnist:request_slow_ratio:rate5m")))
    return float(bound)
