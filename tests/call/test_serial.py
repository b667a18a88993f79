"""Whole calls over serial lines: pseudo terminals paced to the baud rate."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from q2d2_stream.audio import SilenceSource
from q2d2_stream.call import CallSession
from q2d2_stream.call.serial_line import SerialConnector
from q2d2_stream.protocol import Closed, Reason, Role
from q2d2_stream.transport.serial import SerialAddress
from tests.labs.call import SECRET, codec, endpoint, make_session, run, speech_file, until

pytest.importorskip("serial")
pytest.importorskip("cobs")
if sys.platform == "win32":
    pytest.skip("Windows has no pseudo terminals", allow_module_level=True)
from tests.labs.serial_line import SerialLine, serial_line

pytestmark = pytest.mark.slow


@asynccontextmanager
async def ends(line: SerialLine, baud: int, **options: Any) -> AsyncIterator[list[SerialConnector]]:
    """Both ends of a line, caller first."""
    roles = (Role.CLIENT, Role.SERVER)
    connectors = [
        SerialConnector(SerialAddress(name, baud, 60), endpoint(SECRET), role, wait_s=20, **options)
        for name, role in zip(line.names, roles, strict=True)
    ]
    for connector in connectors:
        await connector.start()
    try:
        yield connectors
    finally:
        for connector in connectors:
            await connector.close()


@pytest.mark.parametrize(("baud", "rate", "kbps"), [(9600, 3, 5.8), (4800, 2, 2.9), (2400, 0, 1.5)])
def test_a_line_carries_what_its_speed_allows(
    tmp_path: Path, baud: int, rate: int, kbps: float
) -> None:
    speech_file(tmp_path / "speech.wav", 6)

    async def call() -> None:
        async with serial_line(baud) as line, ends(line, baud) as (client, server):
            caller = make_session(client, tmp_path / "speech.wav", rate=3, hangup_at_end=True)
            listener = make_session(server, tmp_path / "speech.wav", rate=3)
            await asyncio.gather(caller.run(), listener.run())
            for session in (caller, listener):
                stats = session.stats()
                assert stats.path == "serial"
                assert stats.rate_kbps == pytest.approx(codec().config.ladder[rate].kbps)
                assert stats.rate_kbps == pytest.approx(kbps, abs=0.1)
                assert stats.dropped_frames == 0
                assert stats.playout.played > 300

    run(call(), 120)


def test_damage_costs_frames_and_not_the_call(tmp_path: Path) -> None:
    speech_file(tmp_path / "speech.wav", 5)

    async def call() -> None:
        async with (
            serial_line(9600, lost=0.001, flipped=0.001) as line,
            ends(line, 9600) as (client, server),
        ):
            caller = make_session(client, tmp_path / "speech.wav", rate=2, hangup_at_end=True)
            listener = make_session(server)
            closed, _ = await asyncio.gather(caller.run(), listener.run())
            assert closed.reason is Reason.ENDED
            stats = listener.stats()
            assert stats.connections == 1
            assert stats.playout.played > 250
            assert stats.playout.lost + stats.playout.repaired > 0

    run(call(), 120)


def test_push_to_talk_takes_turns_on_a_half_duplex_line(tmp_path: Path) -> None:
    speech_file(tmp_path / "speech.wav", 30)

    async def call() -> None:
        async with (
            serial_line(9600, is_half_duplex=True) as line,
            ends(line, 9600, is_half_duplex=True) as (client, server),
        ):
            sessions = [
                make_session(connector, tmp_path / "speech.wav", rate=2, push_to_talk=True)
                for connector in (client, server)
            ]
            tasks = [asyncio.create_task(session.run()) for session in sessions]
            await asyncio.gather(*(session.established.wait() for session in sessions))
            await asyncio.sleep(0.5)
            quiet = list(line.carried)
            await asyncio.sleep(0.5)
            assert line.carried == quiet, "nobody talks, nothing is sent"
            for talker, listener in (sessions, sessions[::-1]):
                await _say_something(talker, listener)
            assert line.collisions == 0
            for session in sessions:
                session.hang_up()
            await asyncio.gather(*tasks)

    run(call(), 120)


async def _say_something(talker: CallSession, listener: CallSession) -> None:
    before = listener.stats().playout.played
    talker.set_mute(False)
    await until(lambda: listener.stats().playout.played > before + 60, "the other side hears it")
    talker.set_mute(True)
    await asyncio.sleep(0.6)


def test_nobody_at_the_other_end_is_told() -> None:
    async def call() -> None:
        async with serial_line(115_200) as line:
            address = SerialAddress(line.names[0], 115_200)
            connector = SerialConnector(address, endpoint(SECRET), Role.CLIENT)
            await connector.start()
            session = CallSession(codec(), connector, SilenceSource(), _null())
            closed = await session.run()
            assert isinstance(closed, Closed)
            assert closed.reason in (Reason.LOST, Reason.TIMEOUT)
            await connector.close()

    run(call(), 60)


def _null() -> Any:
    from q2d2_stream.audio import NullSink

    return NullSink()
