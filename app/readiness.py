"""Whether new requests should come here. Imports no other module of app."""


class Readiness:
    """Falls when the server begins to stop: whoever asks sends new requests elsewhere."""

    def __init__(self) -> None:
        self.draining = False
