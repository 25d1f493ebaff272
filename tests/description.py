"""The service's description, read as a caller's tool reads it, to compare answers with."""

from typing import Any

from jsonschema import Draft202012Validator

METHODS = {"get", "post", "put", "patch", "delete", "head", "options", "trace"}


class Description:
    """An OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def operations(self) -> dict[str, dict[str, Any]]:
        """Every operation, by method and path."""
        return {
            f"{method.upper()} {path}": operation
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
            if method in METHODS
        }

    def resolved(self, part: Any) -> Any:
        """A part of the document, or what it refers to."""
        while isinstance(part, dict) and "$ref" in part:
            *_, section, name = part["$ref"].split("/")
            part = self.document["components"][section][name]
        return part

    def response(self, operation: str, status: int) -> dict[str, Any]:
        """What is described of an operation's answer."""
        return self.resolved(self.operations()[operation]["responses"][str(status)])

    def path(self, operation: str) -> str:
        """An operation's path, with the first value that each of its parameters may have."""
        path = operation.partition(" ")[2]
        for parameter in self.operations()[operation]["parameters"]:
            if parameter.get("in") == "path":
                path = path.replace(f"{{{parameter['name']}}}", parameter["schema"]["enum"][0])
        return path

    def valid(self, schema: dict[str, Any], value: Any) -> bool:
        return Draft202012Validator(schema | {"components": self.document["components"]}).is_valid(value)

    def holds(self, operation: str, status: int, headers: Any, value: Any) -> None:
        """Check an answer: status, headers, Content-Type and, where it is JSON, its shape."""
        described = self.response(operation, status)
        for name, header in described["headers"].items():
            assert name in headers or not self.resolved(header).get("required"), name
        content = described["content"][headers["Content-Type"].partition(";")[0]]
        if headers["Content-Type"] == "application/json":
            assert self.valid(content["schema"], value), value

    def examples(self, content: dict[str, Any]) -> dict[str, Any]:
        """The examples of a body of one Content-Type, by name."""
        return {name: self.resolved(one)["value"] for name, one in content.get("examples", {}).items()}
