"""Room for bodies that are being read: limited in sum, and nobody waits for ever."""

from gevent import spawn

from app.room import Room


def test_who_finds_no_room_waits_for_it():
    room = Room(10)
    first, second = room.claim(60), room.claim(60)
    assert first.take(4)
    assert second.take(6)
    waiting = spawn(second.take, 4)
    waiting.join(0)
    assert not waiting.dead
    first.end()
    waiting.join()
    assert waiting.value is True
    assert room.free_bytes == 0
    second.end()
    assert room.free_bytes == 10


def test_who_has_been_here_longest_does_not_wait():
    room = Room(10)
    first, second, third = (room.claim(60) for _ in range(3))
    assert second.take(10)
    assert first.take(10)
    waiting = [spawn(claim.take, 1) for claim in (third, second)]
    for one in waiting:
        one.join(0)
    assert not any(one.dead for one in waiting)
    first.end()
    waiting[1].join()
    assert waiting[1].value is True
    assert not waiting[0].dead
    second.end()
    waiting[0].join()
    assert waiting[0].value is True


def test_who_finds_none_in_time_is_told():
    room = Room(10)
    first, late = room.claim(60), room.claim(0.01)
    assert first.take(10)
    assert not first.is_late()
    assert late.take(1) is False
    assert late.is_late()
