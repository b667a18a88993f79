"""Relays joined by a real NATS server, which is killed in the middle."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from q2d2_stream.errors import DeviceError
from q2d2_stream.rooms import MemberAudio, MemberLeft, MemberNamed, RoomLink
from tests.labs.call import run_in_real_time as run
from tests.labs.relay import Guest, relay, until
from tests.labs.rooms import frames_of
from tools.nats_server import NatsServer

pytest.importorskip("nats", reason="the extra [relay] is not installed")
pytestmark = [
    pytest.mark.net,
    pytest.mark.skipif(NatsServer.missing() is not None, reason=str(NatsServer.missing())),
]

LINK = RoomLink.new("http://127.0.0.1:1")


def heard(guest: Guest) -> list[int]:
    return [e.frames.sequence for e in guest.events if isinstance(e, MemberAudio)]


def named(guest: Guest) -> set[int]:
    return {e.member for e in guest.events if isinstance(e, MemberNamed)}


async def say(guest: Guest, sequence: int) -> None:
    guest.session.send_audio(frames_of(sequence), 0.0)
    await guest.flush()


def test_rooms_span_relays_and_nothing_stale_is_heard(tmp_path: Path) -> None:
    from q2d2_stream.relay.nats_bus import NatsBus

    async def main(nats: NatsServer) -> None:
        buses = [NatsBus(nats.url) for _ in range(3)]
        async with relay(buses[0]) as a, relay(buses[1]) as b, relay(buses[2]) as c:
            guests = [
                await Guest(LINK, name).enter(it.port)
                for name, it in (("Ann", a), ("Bob", b), ("Cleo", c))
            ]
            ann, bob, cleo = guests
            for guest in guests:
                await until(
                    lambda guest=guest: len(named(guest)) == 2,
                    "everybody's name",
                )
            await say(ann, 0)
            await until(lambda: heard(bob) == heard(cleo) == [0], "Ann's word")
            nats.kill()
            await until(lambda: not buses[0].connected, "the bus to be away")
            stale = range(3, 60, 3)
            for sequence in stale:
                await say(ann, sequence)
            nats.start()
            await until(lambda: all(bus.connected for bus in buses), "the bus to be back")
            await until(lambda: buses[0].dropped >= 19, "the drops to be counted")
            # NATS may know that Ann's relay is back before it knows what the others want to hear.
            for sequence in range(600, 660, 3):
                await say(ann, sequence)
                await asyncio.sleep(0.1)
            await until(lambda: heard(bob)[-1] == heard(cleo)[-1] == 657, "the next words")
            assert not set(stale) & {*heard(bob), *heard(cleo)}, "said meanwhile: gone, not late"
            assert not any(isinstance(e, MemberLeft) for guest in guests for e in guest.events)
            for guest in guests:
                await guest.leave()

    nats = NatsServer(tmp_path / "nats.log")
    with nats.running():
        run(main(nats), 60.0)


def test_who_was_on_a_relay_that_died_is_gone_for_the_others(tmp_path: Path) -> None:
    from q2d2_stream.relay.nats_bus import NatsBus

    async def main(nats: NatsServer) -> None:
        async with relay(NatsBus(nats.url)) as a:
            ann = await Guest(LINK, "Ann").enter(a.port)
            async with relay(NatsBus(nats.url)) as b:
                bob = await Guest(LINK, "Bob").enter(b.port)
                await until(lambda: bool(ann.session.members), "Bob")
                await b.bus.close()  # as if the process were gone: it tells nobody anything
                await until(
                    lambda: MemberLeft(bob.session.member) in ann.events, "Bob's end", limit_s=20
                )
                await bob.leave()
            await ann.leave()

    nats = NatsServer(tmp_path / "nats.log")
    with nats.running():
        run(main(nats), 60.0)


def test_a_bus_that_is_not_there_is_one_sentence() -> None:
    from q2d2_stream.relay.nats_bus import NatsBus

    async def main() -> None:
        with pytest.raises(DeviceError, match="nats-server running there") as caught:
            await asyncio.wait_for(NatsBus("nats://user:word@127.0.0.1:9").start(), 20)
        assert "word" not in str(caught.value)

    run(main(), 30.0)
