"""The routes of an application, as callers name them. Imports no other module of app."""

from collections.abc import Iterator

from flask import Flask
from werkzeug.routing import Rule

_OF_EACH = {"HEAD", "OPTIONS"}  # Flask adds them


def of(app: Flask) -> Iterator[tuple[str, Rule]]:
    """Each method that each rule takes, in the order in which they were added."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - _OF_EACH):
            yield method, rule


def listed(app: Flask) -> list[str]:
    """All of them, like `GET /model`."""
    return [f"{method} {rule.rule}" for method, rule in of(app)]
