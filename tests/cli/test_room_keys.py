"""Keys of a room: whom they are about, and a key that is held."""

from __future__ import annotations

import asyncio

import pytest

from q2d2_stream.call.stats import MemberStats
from q2d2_stream.cli.call_display import people_lines
from q2d2_stream.cli.hold_key import HoldKey
from q2d2_stream.cli.member_keys import MemberKeys
from tests.labs.virtual_clock import run


class Room:
    """What the keys need of a room."""

    def __init__(self, *names: str) -> None:
        self.members = dict(enumerate(names, 10))
        self.gains: dict[int, float] = {}

    def gain(self, member: int) -> float:
        return self.gains.get(member, 1.0)

    def set_gain(self, member: int, gain: float) -> None:
        self.gains[member] = gain


def keys_of(room: Room) -> tuple[MemberKeys, list[str], list[int | None]]:
    said: list[str] = []
    picked: list[int | None] = []
    return MemberKeys(room, said.append, picked.append), said, picked  # type: ignore[arg-type]


def press(keys: MemberKeys, text: str) -> None:
    for key in text:
        assert keys.press(key)


def test_tab_goes_round() -> None:
    keys, said, picked = keys_of(Room("Ann", "Bob"))
    press(keys, "\t\t\t\t")
    assert picked == [10, 11, None, 10]
    assert said[0] == "picked: Ann"


def test_who_is_picked_gets_louder_quieter_and_silent() -> None:
    room = Room("Ann", "Bob")
    keys, said, _ = keys_of(room)
    press(keys, "+")
    assert not room.gains
    assert "Tab" in said[-1]
    press(keys, "\t\t-")
    assert room.gains == {11: pytest.approx(0.708, abs=0.001)}
    press(keys, "x")
    assert room.gains[11] == 0.0
    assert said[-1] == "Bob is silenced here"
    press(keys, "x")
    assert room.gains[11] == pytest.approx(0.708, abs=0.001)
    press(keys, "x+")  # louder than it was before
    assert room.gains[11] == pytest.approx(1.0)
    press(keys, "+" * 100)
    assert room.gains[11] == pytest.approx(3.98, abs=0.01)
    press(keys, "-" * 100)
    assert 0 < room.gains[11] < 0.1
    del room.members[11]
    press(keys, "x")
    assert room.gains[10] == 0.0  # the only one who is left


def test_other_keys_are_not_taken() -> None:
    keys, _, _ = keys_of(Room())
    assert not any(keys.press(key) for key in "mtq 1")
    press(keys, "\t+x")  # nobody is there: nothing happens


def test_a_key_that_is_held_is_held_until_it_is_let_go() -> None:
    async def main() -> None:
        states: list[bool] = []
        key = HoldKey(states.append)
        key.press()
        assert states == [True]
        await asyncio.sleep(0.6)  # until it repeats
        for _ in range(50):
            key.press()
            await asyncio.sleep(0.03)
        assert states == [True]
        await asyncio.sleep(0.3)
        assert states == [True, False]
        key.press()
        await asyncio.sleep(0.9)
        assert states == [True, False, True, False]
        key.press()
        key.close()
        await asyncio.sleep(1.0)
        assert states[-1] is True

    run(main())


def test_the_display_tells_who_talks_who_records_and_how_loud_they_are() -> None:
    members = (
        MemberStats(1, "Ann", talking=True, muted=False, recording=True, gain=1.0),
        MemberStats(2, "Bob", talking=False, muted=True, recording=False, gain=0.5),
        MemberStats(3, "Cleo", talking=False, muted=False, recording=False, gain=0.0),
    )
    assert people_lines(members, 2) == [
        "  Ann  talks, RECORDS",
        "> Bob  muted, 50% loud",
        "  Cleo  silenced here",
    ]
