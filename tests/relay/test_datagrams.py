"""Audio by UDP between members and a real relay, on this machine's loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import Any

import pytest

from q2d2_stream.call.relay_client import RelayClient
from q2d2_stream.call.room_connection import RoomConnection
from q2d2_stream.errors import DeviceError
from q2d2_stream.protocol import Call
from q2d2_stream.relay import MemoryBus, Relay, RelayLimits
from q2d2_stream.rooms import (
    MemberAudio,
    PathLoss,
    ReceiversLag,
    ReceiversLose,
    RoomClosed,
    RoomEvent,
    RoomLink,
)
from q2d2_stream.transport import parse_address
from tests.labs.call import free_port, run, until
from tests.labs.relay import lossy, relay
from tests.labs.rooms import endpoint, frames_of


class Talker:
    """A member who sends frames that tell their number, and keeps what it hears."""

    def __init__(self, connection: RoomConnection) -> None:
        self.connection = connection
        self.heard: list[int] = []
        self.told: list[type[RoomEvent]] = []
        self.next = 0
        connection.attach(self._on_event)

    @property
    def number(self) -> int:
        return self.connection.session.member

    def _on_event(self, event: RoomEvent, now: float) -> None:
        self.told.append(type(event))
        if isinstance(event, MemberAudio) and not event.frames.is_copy:
            self.heard.append(event.frames.sequence)

    async def talk(self, messages: int) -> None:
        """One every 40 ms; where the way is silent, as a sender does."""
        for _ in range(messages):
            assert self.connection.send_audio(frames_of(self.next))
            self.next += 3
            await asyncio.sleep(0.04)


@asynccontextmanager
async def room(
    *relays: Relay, names: str = "Ann Bob", **options: Any
) -> AsyncIterator[list[Talker]]:
    """Members in one room, each on the next of the relays."""
    link = RoomLink.new("http://127.0.0.1:1")
    talkers: list[Talker] = []
    tasks: list[asyncio.Task[RoomClosed]] = []
    for index, name in enumerate(names.split()):
        port = relays[index % len(relays)].port
        client = RelayClient(
            replace(link, relays=(f"http://127.0.0.1:{port}",)), endpoint(), name, lambda: True,
            **options,
        )  # fmt: skip
        connection = await client.open(Call(), 0.0)
        assert isinstance(connection, RoomConnection)
        talkers.append(Talker(connection))
        tasks.extend(client._tasks)
    try:
        others = len(talkers) - 1
        await until(
            lambda: all(
                sum(m.voice is not None for m in t.connection.session.members.values()) == others
                for t in talkers
            ),
            "the introductions",
        )
        yield talkers
    finally:
        for talker in talkers:
            talker.connection.close()
        await asyncio.gather(*tasks)


async def by(path: str, *talkers: Talker) -> None:
    await until(
        lambda: all(talker.connection.path_name == path for talker in talkers), f"audio by {path}"
    )


def test_audio_goes_by_udp_both_ways() -> None:
    async def main() -> None:
        async with relay() as it, room(it, names="Ann Bob Cleo") as (ann, bob, cleo):
            await by("udp", ann, bob, cleo)
            port = it.datagrams
            assert port is not None
            await until(lambda: port.people == 3, "the relay's ways")
            before = ann.connection.received_messages
            await ann.talk(50)
            await bob.talk(50)
            await until(lambda: cleo.heard == [*range(0, 150, 3)] * 2, "both")
            assert ann.heard == bob.heard == [*range(0, 150, 3)]
            assert ann.connection.received_messages - before < 10  # the websocket is idle
            assert set(port.counts().values()) == {0}
            # what a datagram costs is counted as that
            codec, wire = ann.connection.sent.kbps(asyncio.get_running_loop().time())
            assert wire > codec > 0
            assert ann.connection.rtt_s is not None
        assert port.people == 0

    run(main())


@pytest.mark.parametrize("reason", ["the relay", "the member", "the network"])
def test_without_udp_the_websocket_carries_all(reason: str) -> None:
    async def main() -> None:
        it = Relay(parse_address("127.0.0.1:0"), udp=reason != "the relay")
        await it.start()
        try:
            async with (
                _blocked(it, reason == "the network"),
                room(it, udp=reason != "the member") as (ann, bob),
            ):
                await asyncio.gather(ann.talk(50), bob.talk(50))
                await until(lambda: bob.heard == ann.heard == [*range(0, 150, 3)], "both")
                assert ann.connection.path_name == "websocket"
                assert ann.connection.path_failures == 0
        finally:
            await it.close()

    run(main())


@asynccontextmanager
async def _blocked(it: Relay, is_blocked: bool) -> AsyncIterator[None]:
    if not is_blocked:
        yield
        return
    async with lossy(it) as proxy:
        proxy.loss = [1.0, 1.0]
        yield


@pytest.mark.parametrize("loss", [[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
def test_udp_that_dies_in_mid_talk_costs_no_word_and_comes_back(loss: list[float]) -> None:
    async def main() -> None:
        async with relay() as it, lossy(it) as proxy, room(it) as (ann, bob):
            await by("udp", ann, bob)
            await asyncio.gather(ann.talk(50), bob.talk(50))
            proxy.loss = loss
            await asyncio.gather(ann.talk(100), bob.talk(100))
            proxy.loss = [0.0, 0.0]
            await asyncio.gather(ann.talk(200), bob.talk(200))
            await by("udp", ann, bob)
            said = [*range(0, 3 * 350, 3)]
            await until(lambda: sorted(ann.heard) == sorted(bob.heard) == said, "every word once")
            for talker in (ann, bob):
                assert talker.connection.path_failures >= 1
                assert talker.connection.counters.replayed == 0  # copies are no attack
                assert talker.connection.counters.received_frames == 3 * 350

    run(main())


def test_members_of_two_relays_hear_each_other_by_udp_and_by_websocket() -> None:
    async def main() -> None:
        bus = MemoryBus()
        one = Relay(parse_address("127.0.0.1:0"), bus)
        other = Relay(parse_address("127.0.0.1:0"), MemoryBus(bus), udp=False)
        for it in (one, other):
            await it.start()
        try:
            async with room(one, other) as (ann, bob):
                await by("udp", ann)
                await asyncio.gather(ann.talk(25), bob.talk(25))
                await until(lambda: ann.heard == bob.heard == [*range(0, 75, 3)], "both")
                assert bob.connection.path_name == "websocket"
        finally:
            for it in (one, other):
                await it.close()

    run(main())


def test_another_address_of_a_member_is_followed() -> None:
    async def main() -> None:
        async with relay() as it, lossy(it) as proxy, room(it) as (ann, bob):
            await by("udp", ann, bob)
            await asyncio.gather(ann.talk(25), bob.talk(25))
            for transport in proxy._far.values():
                transport.close()
            proxy._far.clear()  # from other ports, as after a router forgot them
            await asyncio.gather(ann.talk(75), bob.talk(75))
            await by("udp", ann, bob)
            await asyncio.gather(ann.talk(25), bob.talk(25))
            recent = set(range(3 * 110, 3 * 125, 3))
            await until(lambda: recent <= set(ann.heard) & set(bob.heard), "what is said now")
            for talker in (ann, bob):
                assert len(talker.heard) == len(set(talker.heard))
                assert len(talker.heard) >= 125 - 30

    run(main())


def test_strangers_forgers_and_who_repeats_harm_nobody() -> None:
    async def main() -> None:
        async with relay() as it, lossy(it) as proxy, room(it) as (ann, bob):
            port = it.datagrams
            assert port is not None
            await by("udp", ann, bob)
            await ann.talk(25)
            recorded = list(proxy.packets)
            with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
                stranger.setblocking(False)
                stranger.connect(("127.0.0.1", proxy._to))
                for data in (b"", b"\0", b"\0" + bytes(8), bytes(30), bytes(1400), *recorded):
                    stranger.send(data)
                    stranger.send(data[:-1] + bytes([data[-1] ^ 1] if data else []))
                named = [data for data in recorded if data[:1] == b"\0"]
                await until(lambda: port.counts()["replayed"] >= len(named), "replays")
                await until(lambda: port.strangers >= 2 * (len(recorded) - len(named)), "strangers")
                # from the member's own address
                for transport in proxy._far.values():
                    for data in recorded:
                        transport.sendto(data)
                        transport.sendto(data[:-1] + bytes([data[-1] ^ 1]))
                await until(lambda: port.counts()["forged"] > 0, "forgeries")
                await ann.talk(25)
                await until(lambda: bob.heard == [*range(0, 150, 3)], "Ann, once")
                assert ann.connection.path_name == bob.connection.path_name == "udp"
                with pytest.raises(BlockingIOError):
                    stranger.recv(2048)

    run(main())


def test_who_sends_too_much_is_limited_as_by_websocket() -> None:
    async def main() -> None:
        limits = RelayLimits(messages_per_s=30.0, messages_burst=60.0)
        async with relay(limits=limits) as it, room(it) as (ann, bob):
            await by("udp", ann, bob)
            for _ in range(500):
                ann.connection.send_audio(frames_of(ann.next))
                ann.next += 3
            await asyncio.sleep(0.5)
            assert 0 < len(bob.heard) <= 80

    run(main())


def test_receivers_who_lose_make_talkers_repeat_themselves() -> None:
    async def main() -> None:
        async with relay() as it, lossy(it) as proxy, room(it) as (ann, bob):
            await by("udp", ann, bob)
            proxy.loss = [0.0, 0.12]
            await ann.talk(200)
            assert ReceiversLose in ann.told
            proxy.loss = [0.12, 0.0]
            await ann.talk(150)
            assert PathLoss in ann.told
            proxy.loss = [0.0, 0.5]  # no copies help against that: longer messages may
            await ann.talk(150)
            assert ReceiversLag in ann.told

    run(main())


def test_where_the_port_is_taken_members_come_by_websocket() -> None:
    async def main() -> None:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            silent = Relay(parse_address(f"127.0.0.1:{port}"))
            await silent.start()
            assert silent.datagrams is None
            await silent.close()
            with pytest.raises(DeviceError, match=f"--udp-port {port}"):
                await Relay(parse_address("127.0.0.1:0"), udp_port=port).start()

    run(main())


def test_behind_a_proxy_udp_must_be_asked_for() -> None:
    async def main() -> None:
        limits = RelayLimits(behind_proxy=True)
        without = Relay(parse_address("127.0.0.1:0"), limits=limits)
        port = free_port()
        with_port = Relay(parse_address("127.0.0.1:0"), limits=limits, udp_port=port)
        for it in (without, with_port):
            await it.start()
        try:
            assert without.datagrams is None
            assert with_port.datagrams is not None
            assert with_port.datagrams.port == port
            async with room(with_port) as (ann, bob):
                await by("udp", ann, bob)
        finally:
            for it in (without, with_port):
                await it.close()

    run(main())
