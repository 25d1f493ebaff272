"""What the Open Inference Protocol V2 tells of a server and of a model: its shapes. Imports no other module of app."""

from typing import Any

import msgspec


class ServerMetadata(msgspec.Struct):
    """What this server is, and which extensions of the protocol it has."""

    name: str
    version: str
    extensions: tuple[str, ...]


class ServerReady(msgspec.Struct):
    """Whether new requests should come here: some clients look at `ready`, and the protocol's text says `live`."""

    ready: bool
    live: bool


class TensorMetadata(msgspec.Struct, omit_defaults=True):
    """A tensor that the model takes or gives; -1 is any number of images."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None


class ModelMetadata(msgspec.Struct):
    """What the model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReady(msgspec.Struct):
    """Whether the model can be asked here."""

    name: str
    ready: bool
