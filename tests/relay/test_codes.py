"""Codes by way of real relays: from a few words to a room."""

from __future__ import annotations

import asyncio

import pytest

from q2d2_stream.call.code_client import link_of_code
from q2d2_stream.errors import CallError
from q2d2_stream.relay import MemoryBus, Relay, RelayLimits
from q2d2_stream.relay.codes import CodeDesk
from q2d2_stream.relay.room import Outlet
from q2d2_stream.rooms import CodeShown, CodeSpent, CodeWrong, RoomCode, RoomLink
from q2d2_stream.rooms.code_messages import CodeNumber
from q2d2_stream.rooms.messages import decode
from tests.labs.call import run_in_real_time as run
from tests.labs.relay import Guest, relay, until

# For so long others are asked for a number that nobody has here.
PROMPT = RelayLimits(join_s=1.5)


async def show(guest: Guest, link: RoomLink) -> RoomCode:
    """The code of somebody who is in the room."""
    before = len(guest.events)
    guest.session.show_code(link)
    await guest.flush()
    await until(lambda: any(isinstance(e, CodeShown) for e in guest.events[before:]), "the code")
    (event,) = [e for e in guest.events[before:] if isinstance(e, CodeShown)]
    return RoomCode.parse(event.code)


def at(relay: Relay, code: RoomCode, words: tuple[str, str] | None = None) -> RoomCode:
    """The code as it is asked for at a relay."""
    return RoomCode(code.number, words or code.words, f"http://127.0.0.1:{relay.port}")


def test_a_code_leads_into_the_room() -> None:
    async def main() -> None:
        async with relay(limits=PROMPT) as it:
            link = RoomLink.new(f"http://127.0.0.1:{it.port}")
            ann = await Guest(link, "Ann").enter(it.port)
            code = await show(ann, link)
            assert code.relay == link.relays[0]
            assert 1 <= code.number <= 99
            assert await link_of_code(code) == link
            wrong = at(it, code, ("wrong", "words"))
            with pytest.raises(CallError, match="not right"):
                await link_of_code(wrong)
            await until(lambda: CodeWrong(4) in ann.events, "the warning")
            assert await link_of_code(code) == link  # a slip ends nothing
            await ann.leave()
            await until(lambda: not it.people, "her leaving")
            with pytest.raises(CallError, match="nobody shows"):
                await link_of_code(code)

    run(main())


def test_a_code_is_asked_for_at_another_relay() -> None:
    async def main() -> None:
        first = MemoryBus()
        second = MemoryBus(first)
        async with relay(first) as a, relay(second) as b:
            link = RoomLink.new(f"http://127.0.0.1:{a.port}")
            ann = await Guest(link, "Ann").enter(a.port)
            code = await show(ann, link)
            assert await link_of_code(at(b, code)) == link
            with pytest.raises(CallError, match="not right"):
                await link_of_code(at(b, code, ("wrong", "words")))
            assert CodeWrong(4) in ann.events
            await ann.leave()

    run(main())


def test_a_new_code_takes_the_place_of_the_old_one() -> None:
    async def main() -> None:
        async with relay(limits=PROMPT) as it:
            link = RoomLink.new(f"http://127.0.0.1:{it.port}")
            ann = await Guest(link, "Ann").enter(it.port)
            old = await show(ann, link)
            new = await show(ann, link)
            assert await link_of_code(new) == link
            if old.number != new.number:
                with pytest.raises(CallError):
                    await link_of_code(old)
            await ann.leave()

    run(main())


def test_who_guesses_is_slowed_down_and_ends_the_code() -> None:
    async def main() -> None:
        async with relay() as it:
            link = RoomLink.new(f"http://127.0.0.1:{it.port}")
            ann = await Guest(link, "Ann").enter(it.port)
            code = await show(ann, link)
            said = []
            for number in range(8):
                try:
                    await link_of_code(at(it, code, ("wrong", "a" * (number + 1))))
                except CallError as error:
                    said.append(str(error))
            assert len(said) == 8
            assert sum("not right" in text for text in said) <= 5
            assert any("too many codes" in text for text in said)
            wrong = [e for e in ann.events if isinstance(e, CodeWrong)]
            assert 1 <= len(wrong) <= 5
            assert any(isinstance(e, CodeSpent) for e in ann.events) == (len(wrong) == 5)
            await ann.leave()

    run(main())


def test_numbers_at_several_relays_differ() -> None:
    async def main() -> None:
        first = MemoryBus()
        second = MemoryBus(first)
        async with relay(first) as a, relay(second) as b:
            guests = []
            for number in range(20):
                link = RoomLink.new("http://127.0.0.1:1")
                guest = await Guest(link).enter((a, b)[number % 2].port)
                guests.append((guest, link))
            codes = await asyncio.gather(*(show(guest, link) for guest, link in guests))
            assert len({code.number for code in codes}) == 20
            for guest, _ in guests:
                await guest.leave()

    run(main())


class Shown(Outlet):
    """A member who only notes the numbers that it is given."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def forward(self, data: bytes, *, audio: bool) -> None:
        message = decode(data)
        assert isinstance(message, CodeNumber)
        self.numbers.append(message.number)


def test_a_number_where_other_relays_have_nearly_all_short_ones() -> None:
    async def main() -> None:
        first = MemoryBus()
        second = MemoryBus(first)
        buses = first, second, MemoryBus(first, second)
        desks = [CodeDesk(bus, bytes([n]) * 8) for n, bus in enumerate(buses)]
        members = []
        for desk in desks:  # a relay gives longer ones when half of the short ones are given
            members += (its := [Shown() for _ in range(49)])
            await asyncio.gather(*(desk.open(member) for member in its))
        numbers = [number for member in members for number in member.numbers]
        assert len(numbers) == len(set(numbers)) == 3 * 49
        assert 0 not in numbers

    run(main())
