"""Lineage for readers: where a model comes from, and the command that makes it again."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import chain
from typing import Any

from training.config import TrainConfig
from training.document import Block, Code, Paragraph, Table

DEFAULTS = {item.name: item.default for item in fields(TrainConfig)}


def origin(sha256: str, lineage: Mapping[str, Any]) -> Iterator[Block]:
    """Describe what the model was made from, and every option of its training."""
    facts = {"model_sha256": sha256} | {name: value for name, value in lineage.items() if name != "train_config"}
    yield Table("ll", ("lineage", ""), [(name, _text(value)) for name, value in facts.items()])
    if config := lineage.get("train_config"):
        rows = [(_flag(name), _text(value), _text(DEFAULTS.get(name))) for name, value in config.items()]
        yield Table("lll", ("option", "value", "default"), rows)


def repetition(lineage: Mapping[str, Any]) -> Iterator[Block]:
    """Give the commands that make the model again, as far as its lineage tells them."""
    command = _command(lineage)
    if command is None:
        yield Paragraph("The lineage does not say how the model was trained.")
        return
    commit = lineage.get("git_commit", "unknown")
    yield Code(command if commit == "unknown" else f"git checkout {shlex.quote(commit)}\n{command}")
    if lineage.get("git_dirty"):
        yield Paragraph("Files differed from that commit, so it may not be enough.")


def _command(lineage: Mapping[str, Any]) -> str | None:
    """The command line of a training, or of a Keras file's export; options at their defaults are left out."""
    if config := lineage.get("train_config"):
        extra = lineage.get("extra_data")
        options = config | ({"extra_data": extra["folder"]} if extra else {})
    elif file := lineage.get("keras_file"):
        options = {"from_keras": file, "dataset": lineage["dataset"]}
    else:
        return None
    chosen = [(_flag(name), str(value)) for name, value in options.items() if value != DEFAULTS.get(name)]
    return shlex.join(["python", "-m", "training", *chain.from_iterable(chosen)])


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _text(value: Any) -> str:
    """A value of JSON in words: an object as its names and values, with brackets around an object in it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_inner(of_name)}" for name, of_name in value.items())
    if isinstance(value, list):
        return ", ".join(map(_inner, value))
    if value is None or value == "":
        return "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _inner(value: Any) -> str:
    return f"({_text(value)})" if isinstance(value, Mapping | list) else _text(value)
