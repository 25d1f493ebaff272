"""The query of a request: only parameters that its path takes, each once at most. Imports no other module of app."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

PREDICT = {
    "raw": ("true", "false"),
    "top_k": tuple(map(str, range(1, 11))),
    "explain": ("preprocessed",),
}


class InvalidQuery(Exception):
    """The query holds something that this path does not know."""


class Query(NamedTuple):
    """What an answer of POST /predict is to hold beside the prediction, and whether pictures are taken as they come."""

    raw: bool = False
    top_k: int = 0
    explain: bool = False


NOTHING = Query()


def read(given: Iterable[tuple[str, str]], choices: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Give the query's parameters, each with one of its values. Raises InvalidQuery, which lists what there is."""
    there_are = "Take " + ", ".join(f"?{name}={' or '.join(values)}" for name, values in choices.items()) + "."
    found: dict[str, str] = {}
    for name, value in given:
        if name not in choices:
            raise InvalidQuery(f"the query has {name[:100]!r}, which is no parameter of this path. {there_are}")
        if value not in choices[name] or name in found:
            raise InvalidQuery(f"?{name}={value[:100]} is wrong, or given twice. {there_are}")
        found[name] = value
    return found


def parse(given: Iterable[tuple[str, str]]) -> Query:
    """Parse the query of POST /predict. Raises InvalidQuery."""
    found = read(given, PREDICT)
    return Query(found.get("raw") == "true", int(found.get("top_k", 0)), "explain" in found)
