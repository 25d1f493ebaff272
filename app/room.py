"""Room for the bodies that a worker is reading: together they hold at most so many bytes. For gevent.

What has come is counted, not what was announced: a client that sends slowly, or nothing, takes no room from others.
Imports no other module of app.
"""

from time import monotonic

from gevent.event import Event


class Room:
    """So many bytes of memory, shared by the bodies that are being read."""

    def __init__(self, size_bytes: int) -> None:
        self.free_bytes = size_bytes
        self.claims: dict[Claim, None] = {}  # in the order in which they came
        self.freed = Event()

    def claim(self, limit_s: float) -> "Claim":
        """Begin to read a body, which has to come within so many seconds."""
        claim = Claim(self, monotonic() + limit_s)
        self.claims[claim] = None
        return claim


class Claim:
    """The room of one body."""

    def __init__(self, room: Room, deadline: float) -> None:
        self.deadline = deadline
        self._room = room
        self._taken_bytes = 0

    def is_late(self) -> bool:
        """Whether the body should have come by now."""
        return monotonic() >= self.deadline

    def take(self, size_bytes: int) -> bool:
        """Wait until there is room for more bytes, and take it. False if there was none in time.

        Who has been here longest does not wait: otherwise all could wait for each other.
        """
        room = self._room
        while room.free_bytes < size_bytes and next(iter(room.claims)) is not self:
            if not room.freed.wait(max(0, self.deadline - monotonic())):
                return False
        room.free_bytes -= size_bytes
        self._taken_bytes += size_bytes
        return True

    def end(self) -> None:
        """Give the room back, and let those look who wait for some."""
        self._room.claims.pop(self)
        self._room.free_bytes += self._taken_bytes
        self._room.freed.set()
        self._room.freed.clear()
