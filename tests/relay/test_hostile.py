"""Strangers and a malicious member at a real relay: they harm nobody but themselves.

``python -m tools.attack_relay`` measures the same against a relay of its own.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from q2d2_stream.relay import RelayLimits
from q2d2_stream.rooms import MemberAudio, MemberLeft, MemberNamed, RoomLink
from q2d2_stream.rooms.code_messages import CodeAsk, CodeConfirm, CodeGrant
from q2d2_stream.rooms.messages import RoomKind, RoomReason, Sent, encode
from q2d2_stream.transport.limits import ConnectionLimits
from tests.labs.call import run_in_real_time as run
from tests.labs.paths import ROOT
from tests.labs.relay import Guest, relay, until
from tests.labs.rooms import frames_of

LINK = RoomLink.new("http://127.0.0.1:1")


async def together(port: int, *names: str) -> list[Guest]:
    """Guests in one room who know each other."""
    guests = [await Guest(LINK, name).enter(port) for name in names]
    for guest in guests:
        await until(
            lambda guest=guest: len(
                {e.member for e in guest.events if isinstance(e, MemberNamed)}
            ) == len(names) - 1,
            "the names",
        )  # fmt: skip
    return guests


def heard(guest: Guest, of: Guest) -> list[int]:
    return [
        e.frames.sequence
        for e in guest.events
        if isinstance(e, MemberAudio) and e.member == of.session.member
    ]


async def say(guest: Guest, sequence: int) -> list[bytes]:
    """Frames for everybody; what goes to the relay."""
    guest.session.send_audio(frames_of(sequence), 0.0)
    data = guest.session.data_to_send()
    for each in data:
        await guest.send(each)
    return data


async def until_closed(websocket: ClientConnection) -> None:
    """Until the relay has cut somebody off."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(30):
            while True:
                await websocket.recv()


def test_who_only_connects_keeps_nobody_out() -> None:
    async def main() -> None:
        limits = RelayLimits(strangers=ConnectionLimits(strangers=8), join_s=1.0)
        async with relay(limits=limits) as it:
            half = [
                await connect(
                    f"ws://127.0.0.1:{it.port}/room",
                    compression=None,
                    local_addr=("127.0.9.1", 0),
                )
                for _ in range(8)
            ]
            ann = await Guest(LINK, "Ann").enter(it.port)  # all places were taken
            assert ann.closed is None
            for websocket in half:
                await until_closed(websocket)
            await until(lambda: it.people == 1, "only Ann")
            await ann.leave()

    run(main())


def test_what_another_said_is_not_heard_again() -> None:
    async def main() -> None:
        async with relay() as it:
            ann, bob, mallory = await together(it.port, "Ann", "Bob", "Mallory")
            said = await say(ann, 0)
            await until(lambda: heard(bob, ann) == [0], "Ann's word")
            for _ in range(3):
                for data in said:  # as Mallory's own
                    await mallory.send(data)
                for data in said:  # with Ann's number in front, as the relay would write it
                    number = ann.session.member.to_bytes(4, "little")
                    await mallory.send(data[:1] + number + data[1:])
            mine = await say(mallory, 300)
            for data in mine * 3:
                await mallory.send(data)
            await say(ann, 3)
            await until(lambda: heard(bob, ann) == [0, 3], "Ann's next word")
            await until(lambda: heard(bob, mallory) == [300], "what is really Mallory's")
            assert bob.session.counters.forged >= 3
            assert bob.session.counters.replayed >= 3
            for guest in (ann, bob, mallory):
                await guest.leave()

    run(main())


def test_who_sends_too_much_at_once_is_cut_off_alone() -> None:
    async def main() -> None:
        async with relay() as it:
            ann, bob, mallory = await together(it.port, "Ann", "Bob", "Mallory")
            await mallory.send(Sent(RoomKind.VOICE, os.urandom(100_000)).to_relay())
            await until(lambda: mallory.closed, "Mallory's end")
            await until(lambda: MemberLeft(mallory.session.member) in ann.events, "the news of it")
            await say(ann, 0)
            await until(lambda: heard(bob, ann) == [0], "Ann's word")
            async with connect(f"ws://127.0.0.1:{it.port}/room", compression=None) as stranger:
                with suppress(ConnectionClosed):
                    await stranger.send(os.urandom(1_000_000))
                await until_closed(stranger)
            for guest in (ann, bob):
                await guest.leave()

    run(main())


def test_who_comes_and_goes_all_the_time_is_stopped() -> None:
    async def main() -> None:
        limits = RelayLimits(joins_per_s=0.1, joins_burst=12)
        async with relay(limits=limits) as it:
            ann, bob = await together(it.port, "Ann", "Bob")
            before = ann.session.counters.sent
            refused = 0
            for _ in range(30):
                guest = await Guest(LINK).enter(it.port)
                refused += guest.closed is not None and guest.closed.reason is RoomReason.LIMIT
                await guest.leave()
            assert refused >= 18
            assert ann.session.counters.sent - before <= 12 + 5  # introductions, and pings
            await say(ann, 0)
            await until(lambda: heard(bob, ann) == [0], "Ann's word")
            for guest in (ann, bob):
                await guest.leave()

    run(main())


def test_a_name_cannot_be_changed_faster_than_one_can_read() -> None:
    async def main() -> None:
        async with relay() as it:
            ann, mallory = await together(it.port, "Ann", "Mallory")
            for number in range(100):
                mallory.session._name = f"call +{number}"
                mallory.session._introduce(time.monotonic())
                await mallory.flush()
            await until(lambda: ann.session.counters.rate_limited >= 90, "the limit")
            names = [e for e in ann.events if isinstance(e, MemberNamed)]
            assert len(names) <= 10
            for guest in (ann, mallory):
                await guest.leave()

    run(main())


@pytest.mark.parametrize(
    "messages",
    [
        [encode(CodeAsk(7, b"A" + bytes(32)))],
        [encode(CodeConfirm(1, bytes(16)))],
        [encode(CodeGrant(1, bytes(1100)))],
        [b"\x2d", b"\x2dQ2RM\x01"],
        [bytes([RoomKind.CODE_VIA]) + bytes(20)],
    ],
)
def test_nonsense_about_codes_is_refused(messages: list[bytes]) -> None:
    async def main() -> None:
        async with relay(limits=RelayLimits(join_s=0.5)) as it:
            (ann,) = await together(it.port, "Ann")
            for message in messages:
                async with connect(f"ws://127.0.0.1:{it.port}/room", compression=None) as stranger:
                    await stranger.send(message)
                    await until_closed(stranger)
                await ann.send(message)  # from a member, too
            await asyncio.sleep(0.1)
            assert ann.closed is None
            await ann.leave()

    run(main())


@pytest.mark.net
def test_the_attacks_run_and_everybody_else_talks_on() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.attack_relay", "--seconds", "1", "squat", "churn",
         "udp_elsewhere"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines()[2:5]]
    assert [row[1].strip() for row in rows] == ["squat", "churn", "udp_elsewhere"]
    for row in rows:
        assert int(row[2]) > 0
        assert float(row[7].strip().removesuffix(" %")) > 50.0
    assert 0.0 < float(rows[-1][3]) < 1.0  # who is pointed at gets less than the relay got
