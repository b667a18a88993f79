"""A real relay: who is let in, who hears whom, what one member can do to the others."""

from __future__ import annotations

import asyncio
import os
import time

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from q2d2_stream.protocol import Text
from q2d2_stream.relay import MemoryBus, RelayLimits
from q2d2_stream.rooms import MemberAudio, MemberLeft, MemberNamed, MemberText, Moved, RoomLink
from q2d2_stream.rooms.messages import Ping, RoomKind, RoomReason, Sent, encode
from q2d2_stream.transport.limits import ByteLimits, ConnectionLimits
from tests.labs.call import run_in_real_time as run
from tests.labs.relay import Guest, relay, until
from tests.labs.rooms import frames_of

LINK = RoomLink.new("http://127.0.0.1:1")


def names(guest: Guest) -> set[str]:
    return {e.name for e in guest.events if isinstance(e, MemberNamed)}


def heard(guest: Guest) -> list[int]:
    return [e.frames.sequence for e in guest.events if isinstance(e, MemberAudio)]


async def say(guest: Guest, first: int, messages: int = 1) -> None:
    for sequence in range(first, first + 3 * messages, 3):
        guest.session.send_audio(frames_of(sequence), 0.0)
    await guest.flush()


async def get(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = (await reader.read(4096)).decode()
    writer.close()
    return answer


def test_three_people_in_a_room_and_one_in_another() -> None:
    async def main() -> None:
        async with relay() as it:
            ann, bob, eve = [await Guest(LINK, n).enter(it.port) for n in ("Ann", "Bob", "Eve")]
            alone = await Guest(RoomLink.new("http://127.0.0.1:1"), "X").enter(it.port)
            await until(lambda: names(ann) == {"Bob", "Eve"} and len(names(eve)) == 2, "names")
            await say(ann, 0, 10)
            await until(lambda: len(heard(bob)) == len(heard(eve)) == 10, "Ann's words")
            assert heard(bob) == list(range(0, 30, 3))
            assert not heard(ann)
            assert not alone.events[1:]
            assert (it.people, len(it.rooms)) == (4, 2)
            await bob.leave()
            await until(lambda: MemberLeft(bob.session.member) in ann.events, "Bob's leaving")
            for guest in (ann, eve, alone):
                await guest.leave()
            await until(lambda: not it.rooms, "the rooms to vanish")

    run(main())


def test_a_stranger_is_not_let_in() -> None:
    async def main() -> None:
        async with relay() as it:
            ann = await Guest(LINK, "Ann").enter(it.port)
            stranger = Guest(RoomLink.new("http://127.0.0.1:1"))
            stranger.keys.room_id = ann.keys.room_id
            await stranger.enter(it.port)
            assert stranger.closed is not None
            assert stranger.closed.reason is RoomReason.PROOF
            for junk in (b"", b"\x21", os.urandom(1000), "text"):
                async with connect(f"ws://127.0.0.1:{it.port}/room", compression=None) as websocket:
                    await websocket.recv()
                    await websocket.send(junk)
                    await websocket.recv()  # why
                    with pytest.raises(ConnectionClosed):
                        await websocket.recv()
            assert not ann.events[1:]
            await until(lambda: it.people == 1, "only Ann to be there")
            await ann.leave()

    run(main())


def test_rooms_and_people_are_limited() -> None:
    async def main() -> None:
        limits = RelayLimits(members=2, rooms=2, rooms_per_address=2)
        async with relay(limits=limits) as it:
            guests = [await Guest(LINK).enter(it.port) for _ in range(3)]
            assert guests[2].closed is not None
            assert guests[2].closed.reason is RoomReason.FULL
            others = [await Guest(RoomLink.new("http://127.0.0.1:1")).enter(it.port) for _ in "ab"]
            assert others[0].closed is None
            assert others[1].closed is not None
            assert others[1].closed.reason is RoomReason.LIMIT
            for guest in (*guests, *others):
                await guest.leave()

    run(main())


def test_a_member_who_floods_harms_only_itself() -> None:
    async def main() -> None:
        limits = RelayLimits(messages_per_s=100, messages_burst=200)
        async with relay(limits=limits) as it:
            ann, bob, mallory = [await Guest(LINK, n).enter(it.port) for n in ("Ann", "Bob", "M")]
            await until(lambda: len(names(bob)) == 2 and len(names(ann)) == 2, "names")
            assert mallory.websocket is not None
            for number in range(5_000):
                await mallory.websocket.send(encode(Ping(number)))
            for sequence in range(0, 3_000, 3):
                mallory.session.send_audio(frames_of(sequence), 0.0)
                await mallory.flush()
            started = time.monotonic()
            await say(ann, 0, 5)
            await until(lambda: sum(e.member == ann.session.member for e in bob.events
                                    if isinstance(e, MemberAudio)) == 5, "Ann's words")  # fmt: skip
            assert time.monotonic() - started < 10
            flood = mallory.session.member
            words = [e for e in bob.events if isinstance(e, MemberAudio)]
            assert sum(e.member == flood for e in words) < 400
            for guest in (ann, bob, mallory):
                await guest.leave()

    run(main(), 60.0)


def test_who_does_not_read_holds_nobody_up() -> None:
    async def main() -> None:
        limits = RelayLimits(
            strangers=ConnectionLimits(bytes=ByteLimits(per_s=1e9, burst=1e9)),
            messages_per_s=1e6,
            messages_burst=1e6,
            bytes_per_s=1e9,
            bytes_burst=1e9,
            backlog_messages=16,
        )
        async with relay(limits=limits) as it:
            ann, bob, slow = [await Guest(LINK, n).enter(it.port) for n in ("Ann", "Bob", "Slow")]
            await until(lambda: len(names(bob)) == 2, "names")
            assert slow.websocket is not None
            slow.websocket.transport.pause_reading()
            junk = Sent(RoomKind.VOICE, os.urandom(1400)).to_relay()  # the relay cannot tell
            assert ann.websocket is not None
            messages = 0
            while it.dropped < 100:
                messages += 1
                await ann.websocket.send(junk)
                assert messages < 50_000
            await asyncio.sleep(0.2)
            await say(ann, 0)
            await until(lambda: heard(bob) == [0], "Ann's word, behind all of that")
            for guest in (ann, bob):
                await guest.leave()
            slow.websocket.transport.abort()

    run(main(), 120.0)


def test_several_relays_hold_one_room_together() -> None:
    async def main() -> None:
        first = MemoryBus()
        second = MemoryBus(first)
        async with relay(first) as a, relay(second) as b:
            ann = await Guest(LINK, "Ann").enter(a.port)
            bob = await Guest(LINK, "Bob").enter(b.port)
            await until(lambda: names(ann) == {"Bob"} and names(bob) == {"Ann"}, "names")
            await say(ann, 0, 3)
            bob.session.send(Text("heard you"))
            await bob.flush()
            await until(lambda: heard(bob) == [0, 3, 6], "Ann's words")
            await until(
                lambda: MemberText(bob.session.member, "heard you") in ann.events, "Bob's note"
            )
            await bob.leave()
            await until(lambda: MemberLeft(bob.session.member) in ann.events, "Bob's leaving")
            await ann.leave()

    run(main())


def test_a_relay_that_stops_sends_everybody_elsewhere() -> None:
    async def main() -> None:
        async with relay() as it:
            ann = await Guest(LINK).enter(it.port)
            stopping = asyncio.create_task(it.stop())
            await until(lambda: Moved() in ann.events, "the word")
            await ann.leave()
            started = time.monotonic()
            await stopping
            assert time.monotonic() - started < 5

    run(main())


def test_health_is_told_by_plain_http() -> None:
    async def main() -> None:
        async with relay() as it:
            assert "200 OK" in await get(it.port, "/healthz")
            assert "200 OK" in await get(it.port, "/readyz")
            assert "404" in await get(it.port, "/")

    run(main())


@pytest.mark.parametrize("behind_proxy", [True, False])
def test_behind_a_proxy_its_word_about_the_address_counts(behind_proxy: bool) -> None:
    async def main() -> None:
        limits = RelayLimits(people_per_address=1, behind_proxy=behind_proxy)
        async with relay(limits=limits) as it:

            async def enter(forwarded: str) -> RoomReason | None:
                guest = Guest(LINK)
                await guest.enter(it.port, {"X-Forwarded-For": forwarded})
                return guest.closed.reason if guest.closed else None

            assert await enter("192.0.2.1") is None
            second = await enter("192.0.2.2")
            again = await enter("192.0.2.9, 192.0.2.1")  # the last is the proxy's own word
            assert again is RoomReason.LIMIT
            assert second is (None if behind_proxy else RoomReason.LIMIT)

    run(main())
