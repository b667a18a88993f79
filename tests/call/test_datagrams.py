"""Audio by UDP beside the websocket: on this machine's loopback, with real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from q2d2_stream.call import CallSession
from q2d2_stream.sending import Link
from tests.labs.call import SECRET, dial, endpoint, listen, make_session, run, speech_file, until
from tests.labs.udp_proxy import UdpProxy, both_proxies

pytestmark = pytest.mark.slow


@asynccontextmanager
async def a_call(
    tmp_path: Path, *, udp: tuple[bool, bool] = (True, True), **options: Any
) -> AsyncIterator[tuple[CallSession, CallSession, UdpProxy]]:
    """Caller and listener who talk through proxies."""
    speech = tmp_path / "speech.wav"
    speech_file(speech, 60)
    caller_end, listener_end = (endpoint(SECRET, udp=one) for one in udp)
    async with listen(own=listener_end) as server, both_proxies(server.port) as (tcp, datagrams):
        client = dial(tcp.port, own=caller_end)
        sessions = [make_session(line, speech, **options) for line in (client, server)]
        tasks = [asyncio.create_task(session.run()) for session in sessions]
        await asyncio.gather(*(session.established.wait() for session in sessions))
        try:
            yield sessions[0], sessions[1], datagrams
        finally:
            for session in sessions:
                session.hang_up()
            await asyncio.gather(*tasks)


async def paths(caller: CallSession, listener: CallSession, expected: str) -> None:
    await until(
        lambda: [s.stats().path for s in (caller, listener)] == [expected, expected],
        f"audio by {expected}",
    )


async def talk(caller: CallSession, listener: CallSession, frames: int = 150) -> None:
    """Until both have heard so many frames more."""
    sessions = (caller, listener)
    heard = [session.stats().playout.played for session in sessions]
    await until(
        lambda: all(
            session.stats().playout.played > before + frames
            for session, before in zip(sessions, heard, strict=True)
        ),
        f"{frames} frames heard",
    )


def test_audio_goes_by_udp_and_falls_back_and_returns(tmp_path: Path) -> None:
    async def call() -> None:
        async with a_call(tmp_path) as (caller, listener, datagrams):
            await paths(caller, listener, "udp")
            await talk(caller, listener)
            datagrams.loss = [1.0, 1.0]
            await paths(caller, listener, "websocket")
            await talk(caller, listener)
            datagrams.loss = [0.0, 0.0]
            await paths(caller, listener, "udp")
            await talk(caller, listener)
            for session in (caller, listener):
                stats = session.stats()
                # what was under way came again by the websocket
                assert stats.counters.received_frames + 40 > stats.playout.received
                assert stats.playout.lost <= 2
                assert stats.path_failures >= 1
                assert stats.connections == 1

    run(call(), 120)


@pytest.mark.parametrize("direction", [0, 1])
def test_one_direction_that_dies_is_noticed_by_the_side_that_sends(
    tmp_path: Path, direction: int
) -> None:
    async def call() -> None:
        async with a_call(tmp_path) as (caller, listener, datagrams):
            await paths(caller, listener, "udp")
            await talk(caller, listener, 75)
            datagrams.loss[direction] = 1.0
            await paths(caller, listener, "websocket")
            await talk(caller, listener)
            assert listener.stats().playout.lost + caller.stats().playout.lost <= 4

    run(call(), 120)


def test_lost_frames_are_played_from_copies(tmp_path: Path) -> None:
    async def call() -> None:
        async with a_call(tmp_path) as (caller, listener, datagrams):
            await paths(caller, listener, "udp")
            datagrams.loss = [0.15, 0.15]
            sessions = (caller, listener)
            await until(
                lambda: all(session.stats().playout.repaired > 10 for session in sessions),
                "frames repaired",
            )
            assert caller.stats().path == listener.stats().path == "udp"

    run(call(), 120)


def test_the_last_word_goes_by_udp_where_the_websocket_is_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def call() -> None:
        async with a_call(tmp_path) as (caller, listener, _datagrams):
            await paths(caller, listener, "udp")
            await talk(caller, listener, 30)
            connection = caller._connection
            assert connection is not None
            assert connection.path is not None
            connection._transport.send = _stuck  # type: ignore[method-assign]
            datagram = connection.path.link
            counted: list[Link | None] = []
            monkeypatch.setattr(
                connection.sent, "count", lambda size, now, link=None: counted.append(link)
            )
            caller.hang_up()
            await until(lambda: listener.stats().state == "ended", "the end")
            assert counted[-2:] == [datagram, None]  # it went both ways, and both cost bits

    run(call())


async def _stuck(data: bytes) -> None:
    await asyncio.sleep(3600)


@pytest.mark.parametrize("udp", [(True, False), (False, True), (False, False)])
def test_both_sides_must_want_it(tmp_path: Path, udp: tuple[bool, bool]) -> None:
    async def call() -> None:
        async with a_call(tmp_path, udp=udp) as (caller, listener, datagrams):
            await talk(caller, listener)
            assert caller.stats().path == listener.stats().path == "websocket"
            assert datagrams.packets == []

    run(call())


def test_nothing_that_is_repeated_or_made_up_is_answered(tmp_path: Path) -> None:
    async def call() -> None:
        async with a_call(tmp_path) as (caller, listener, datagrams):
            await paths(caller, listener, "udp")
            await talk(caller, listener, 30)
            stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            stranger.setblocking(False)
            stranger.connect(("127.0.0.1", datagrams._to))
            replayed = listener.stats().counters.replayed
            probe = next(data for data in datagrams.packets if data[:1] == b"\0")
            # a probe with its token, again from elsewhere, whole and changed
            for data in (probe, probe[:-1] + bytes([probe[-1] ^ 1]), *datagrams.packets[:50]):
                stranger.send(data)
            await until(lambda: listener.stats().counters.replayed > replayed, "a replay")
            await talk(caller, listener, 75)
            try:
                answer = stranger.recv(2048)
            except BlockingIOError:
                answer = None
            stranger.close()
            assert answer is None
            assert caller.stats().path == listener.stats().path == "udp"

    run(call())
