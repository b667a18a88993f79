"""Who makes room for whom, without sockets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.transport.limiter import ConnectionLimiter, Place, Progress, network_of
from q2d2_stream.transport.limits import ConnectionLimits


class Door:
    """A limiter and what became of the connections."""

    def __init__(self, places: int = 4, refills_per_s: float = 100.0) -> None:
        limits = ConnectionLimits(strangers=places, refills_per_s=refills_per_s)
        self.limiter = ConnectionLimiter(limits, 0.0)
        self.dropped: list[str] = []
        self.now = 0.0

    def knock(self, host: str, name: str = "", *, has_spoken: bool = False) -> Place | None:
        drop: Callable[[], None] = lambda: self.dropped.append(name or host)  # noqa: E731
        return self.limiter.admit(host, drop, has_spoken=has_spoken, now=self.now)


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_address_is_a_customers_network(host: str, network: str) -> None:
    assert network_of(host) == network


def test_one_address_cannot_keep_another_out() -> None:
    door = Door()
    for number in range(4):
        assert door.knock("198.51.100.1", f"flood {number}")
    assert door.knock("192.0.2.7", "caller")
    assert door.dropped == ["flood 0"]
    assert len(door.limiter) == 4


def test_many_addresses_cannot_keep_another_out() -> None:
    door = Door()
    for number in range(4):
        assert door.knock(f"198.51.100.{number}", f"flood {number}")
    assert door.knock("192.0.2.7", "caller", has_spoken=True)
    assert door.dropped == ["flood 0"]


def test_the_flood_itself_is_turned_away_while_it_says_nothing() -> None:
    door = Door()
    for number in range(4):
        door.knock("198.51.100.1", f"flood {number}")
    for _ in range(1000):
        assert door.knock("198.51.100.1") is None
    assert door.dropped == []
    assert door.limiter.refused == 1000


def test_a_household_behind_one_address_gets_in() -> None:
    door = Door()
    for number in range(4):
        door.knock("198.51.100.1", f"flood {number}")
    caller = door.knock("198.51.100.1", "caller", has_spoken=True)
    assert caller is not None
    assert door.dropped == ["flood 0"]
    caller.progress = Progress.OPEN
    # a flood that speaks makes room among itself before it reaches who has done more
    for number in range(4, 20):
        door.knock("198.51.100.1", f"flood {number}", has_spoken=True)
    assert "caller" not in door.dropped


def test_a_flood_that_speaks_is_slowed_down() -> None:
    door = Door(refills_per_s=10.0)
    for number in range(1000):
        door.now = number / 1000
        door.knock("198.51.100.1", has_spoken=True)
    assert len(door.dropped) <= 20


def test_who_has_done_less_makes_room_first() -> None:
    door = Door()
    progress = (Progress.OPEN, Progress.SPOKEN, Progress.CONNECTED, Progress.OPEN)
    for number, step in enumerate(progress):
        place = door.knock("198.51.100.1", str(number))
        assert place is not None
        place.progress = step
    for _ in range(4):
        door.knock("192.0.2.7", "caller")
    assert door.dropped[:2] == ["2", "1"]


def test_a_place_is_free_again_when_the_connection_is_closed_or_trusted() -> None:
    door = Door(places=1)
    place = door.knock("192.0.2.7")
    assert place is not None
    door.limiter.leave(place)
    door.limiter.leave(place)
    assert door.knock("192.0.2.8") is not None
    assert door.dropped == []
    assert door.limiter.drop_one()
    assert not door.limiter.drop_one()
    assert door.dropped == ["192.0.2.8"]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 2)), max_size=200))
def test_there_are_never_more_than_there_are_places(
    knocks: list[tuple[int, bool, int]],
) -> None:
    door = Door()
    for host, has_spoken, progress in knocks:
        place = door.knock(f"198.51.100.{host}", has_spoken=has_spoken)
        if place is not None:
            place.progress = Progress(progress)
        assert len(door.limiter) <= 4
