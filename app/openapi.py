"""GET /openapi.json: the description, OpenAPI 3.1, made once at start; GET /docs: the page that shows it.

Made of the routes that there are, their views' docstrings, the types that they read and answer with, the table of
errors and the limits; app.doors says which belongs to which.
"""

import inspect
import re
from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Flask, Response
from werkzeug.routing import Rule

from app import doors, errors, logs, pages, protocol_doors, routes, trace
from app.answers import JSON
from app.bundle import Bundle
from app.config import Settings
from app.doors import Content, Door, Parameter

_ABOUT = (
    "Reads handwritten digits. Every GET is a HEAD too, and every path answers OPTIONS. An answer to a request that"
    " failed has the status that it deserves, a code for programs, and a message that says what was wrong and what to"
    " send."
)
# What the worker refuses, and what nobody expected, may be the answer to any request.
_TO_ANY = (*errors.REFUSED, (500, "internal_error"))
_TEXT = {"type": "string"}
_PARAMETERS = {
    logs.REQUEST_ID_HEADER: "1 to 128 of A-Z a-z 0-9 . _ -, to be returned, and kept in the log. Others are replaced.",
    trace.TRACEPARENT_HEADER: "The caller's trace (W3C Trace Context), to be continued.",
}
_HEADERS: dict[str, dict[str, Any]] = {
    logs.REQUEST_ID_HEADER: {"description": "The request's id: the caller's, or a new one.", "required": True},
    trace.TRACEPARENT_HEADER: {"description": "The trace, and this service's part in it (W3C Trace Context)."},
    "Retry-After": {"description": "Seconds to wait before the request is sent again.", "required": True},
}


def register(app: Flask, settings: Settings, bundle: Bundle) -> None:
    """Add the description's routes. What is described are the routes that there are when it is first made."""

    @cache
    def encoded() -> bytes:
        return msgspec.json.encode(describe(app, settings, bundle))

    def openapi() -> Response:
        """Answer this description."""
        return Response(encoded(), mimetype=JSON)

    def docs() -> Response:
        """Give the page that shows this description to people."""
        return pages.page("docs.html")

    app.add_url_rule("/openapi.json", view_func=openapi)
    app.add_url_rule("/docs", view_func=docs)
    app.extensions["openapi"] = encoded


def describe(app: Flask, settings: Settings, bundle: Bundle) -> dict[str, Any]:
    """Describe an application: an OpenAPI document."""
    table = doors.doors(settings) | protocol_doors.doors(settings, bundle)
    shared = _Components()
    paths: dict[str, dict[str, Any]] = {}
    rules = {f"{method} {rule.rule}": (method, rule) for method, rule in routes.of(app)}
    for name in (name for name in table if name in rules):
        method, rule = rules[name]
        text = inspect.getdoc(app.view_functions[rule.endpoint]) or ""
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        paths.setdefault(path, {})[method.lower()] = _operation(rule, table[name], text, shared)
    return {
        "openapi": "3.1.0",
        "info": {"title": "mnist-api", "version": settings.version, "description": _ABOUT, "license": {"name": "MIT"}},
        # Relative to this document, so that it is right behind a proxy's prefix too.
        "servers": [{"url": "."}],
        "paths": paths,
        "components": shared.to_dict(doors.examples(bundle) | protocol_doors.examples(bundle)),
    }


def _operation(rule: Rule, door: Door, text: str, shared: "_Components") -> dict[str, Any]:
    summary, _, more = text.partition("\n")
    codes: dict[int, list[str]] = {}
    for status, code in sorted({*_TO_ANY, *map(errors.answered, door.raises)}):
        codes.setdefault(status, []).append(code)
    responses = {str(status): shared.failure(status, found, door.protocols) for status, found in codes.items()}
    responses |= {str(status): shared.answer(status, contents) for status, contents in door.answers.items()}
    if door.links:
        responses["200"]["links"] = door.links
    operation = {
        "operationId": rule.endpoint + ("_of_version" if "version" in rule.arguments else ""),
        "tags": [door.tag],
        "summary": summary,
        "parameters": [
            *(shared.parameter(one) for one in door.parameters),
            *(_ref("parameters", name) for name in _PARAMETERS),
        ],
        "responses": dict(sorted(responses.items())),
    }
    if more:
        operation["description"] = more.strip()
    if door.takes:
        operation["requestBody"] = {"required": True, "content": shared.contents(door.takes)}
    return operation


class _Components:
    """What operations share, each named once."""

    def __init__(self) -> None:
        self._schemas: dict[str, Any] = {}
        self._responses: dict[str, Any] = {}
        for shape in (errors.Failure, errors.ProtocolFailure):
            self._schema(shape)

    def answer(self, status: int, contents: tuple[Content, ...]) -> dict[str, Any]:
        """The answer that a status has, in any of these forms."""
        headers = {name: _ref("headers", name) for name in (logs.REQUEST_ID_HEADER, trace.TRACEPARENT_HEADER)}
        return {"description": HTTPStatus(status).phrase, "headers": headers, "content": self.contents(contents)}

    def parameter(self, parameter: Parameter) -> dict[str, Any]:
        """A parameter; only those of a path are required."""
        name, place, shape, text = parameter
        described = {"name": name, "in": place, "description": text, "schema": self._schema(shape)}
        return described | ({"required": True} if place == "path" else {})

    def failure(self, status: int, codes: list[str], protocols: bool) -> dict[str, Any]:
        """The answer to a request that failed, for one of these reasons."""
        name = ".".join([str(status), *codes, *(["protocols"] if protocols else [])])
        if name not in self._responses:
            response = self.answer(status, _told(status, codes, protocols))
            response["description"] += ": " + ", ".join(codes)
            if status == 503:
                response["headers"]["Retry-After"] = _ref("headers", "Retry-After")
            self._responses[name] = response
        return _ref("responses", name)

    def contents(self, contents: tuple[Content, ...]) -> dict[str, Any]:
        """Bodies by their Content-Type; several of one type are any of them."""
        found: dict[str, Any] = {}
        for one in contents:
            media = found.setdefault(one.content_type, {})
            if one.shape is not None:
                schema = self._schema(one.shape)
                media["schema"] = {"anyOf": [media["schema"], schema]} if media else schema
            if one.examples:
                media.setdefault("examples", {}).update({name: _ref("examples", name) for name in one.examples})
        return found

    def to_dict(self, examples: dict[str, Any]) -> dict[str, Any]:
        """All of them, as the document holds them."""
        parameters = {
            name: {"name": name, "in": "header", "description": text, "schema": _TEXT}
            for name, text in _PARAMETERS.items()
        }
        return {
            "schemas": dict(sorted(self._schemas.items())),
            "responses": self._responses,
            "parameters": parameters,
            "headers": {name: header | {"schema": _TEXT} for name, header in _HEADERS.items()},
            "examples": {name: {"value": value} for name, value in examples.items()},
        }

    def _schema(self, shape: Any) -> dict[str, Any]:
        if isinstance(shape, dict):
            return shape
        (schema,), named = msgspec.json.schema_components(
            [shape], schema_hook=self._hook, ref_template="#/components/schemas/{name}"
        )
        self._schemas |= named
        return schema

    def _hook(self, kind: Any) -> dict[str, Any]:
        self._schemas[kind.__name__] = kind.schema
        return _ref("schemas", kind.__name__)


def _told(status: int, codes: list[str], protocols: bool) -> tuple[Content, ...]:
    """The shapes in which an error is told: whose path it is that it cannot read, the worker does not know."""
    if not protocols:
        return (_failure(codes),)
    unread = [code for code in codes if (status, code) in errors.REFUSED and status != 503]
    return (Content(_ref("schemas", errors.ProtocolFailure.__name__)), *([_failure(unread)] if unread else []))


def _failure(codes: list[str]) -> Content:
    error = {"properties": {"code": {"enum": codes}}}
    return Content(_ref("schemas", errors.Failure.__name__) | {"properties": {"error": error}})


def _ref(section: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/{section}/{name}"}
