"""What a call does when its connection stalls, breaks, is slow, or its peer is killed."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from q2d2_stream.call import CallSession, ConnectionLimits
from q2d2_stream.protocol import Closed, Reason
from tests.labs.call import (
    SECRET,
    TcpProxy,
    dial,
    endpoint,
    free_port,
    listen,
    make_session,
    run,
    run_in_real_time,
    speech_file,
    start_command,
    until,
)


async def start(*sides: CallSession) -> list[asyncio.Task[Closed]]:
    """Run the sides until all of them talk."""
    tasks = [asyncio.create_task(side.run()) for side in sides]
    await until(lambda: all(side.stats().state == "talking" for side in sides), "the call")
    return tasks


async def heard_more(side: CallSession, frames: int = 40) -> None:
    """Until ``side`` has played ``frames`` more."""
    enough = side.stats().playout.played + frames
    await until(lambda: side.stats().playout.played >= enough, "hearing the peer")


async def returned(side: CallSession, connections: int) -> None:
    """Until ``side`` is on its ``connections``-th connection."""
    await until(lambda: side.stats().connections == connections, "the return")


def test_a_stall_of_two_seconds_is_skipped_over(tmp_path: Path) -> None:
    speech_file(tmp_path / "said.wav", 30.0)

    async def main() -> None:
        async with listen() as listener, TcpProxy(listener.port) as proxy:
            callee = make_session(listener)
            caller = make_session(dial(proxy.port), tmp_path / "said.wav")
            tasks = await start(callee, caller)
            await heard_more(callee)
            before_ms = callee.stats().playout.actual_delay_ms
            await proxy.stall(2.0)
            await heard_more(callee, 10)
            # Everything came at once; a buffer that kept it would be two seconds late for ever.
            # What it was before counts, since a machine too busy to decode in time is late anyway.
            normal_ms = max(800, before_ms + 500)
            await until(lambda: callee.stats().playout.actual_delay_ms < normal_ms, "the recovery")
            await heard_more(callee)
            stats = callee.stats()
            assert stats.playout.concealed > 0
            assert stats.playout.skipped + caller.stats().dropped_frames > 0
            assert stats.connections == 1
            caller.hang_up()
            await asyncio.gather(*tasks)

    run(main())


def test_a_broken_connection_comes_back_with_the_same_call(tmp_path: Path) -> None:
    speech_file(tmp_path / "said.wav", 30.0)
    notes: list[str] = []

    async def main() -> None:
        async with listen(SECRET) as listener, TcpProxy(listener.port) as proxy:
            callee = make_session(listener, tmp_path / "said.wav", notes=notes)
            caller = make_session(dial(proxy.port, SECRET), tmp_path / "said.wav")
            tasks = await start(callee, caller)
            await heard_more(callee)
            before = caller.stats().counters.sent_frames
            for connections in (2, 3):
                proxy.cut()
                for side in (caller, callee):
                    await returned(side, connections)
                await heard_more(callee)
                await heard_more(caller)
            stats = callee.stats()
            assert stats.playout.restarts == 0, "the sequence numbers should have gone on"
            assert stats.counters.received_frames > before
            assert stats.counters.out_of_window == 0
            caller.hang_up()
            ends = await asyncio.gather(*tasks)
            assert [end.reason for end in ends] == [Reason.ENDED, Reason.ENDED]

    run(main())
    assert sum(note.startswith("reconnected") for note in notes) == 2


def test_a_call_ends_when_nobody_comes_back() -> None:
    async def main() -> None:
        async with listen(limits=ConnectionLimits(hold_s=1.0)) as listener:
            async with TcpProxy(listener.port) as proxy:
                callee, caller = make_session(listener), make_session(dial(proxy.port))
                tasks = await start(callee, caller)
            # The proxy is gone, and with it the way back.
            end = await tasks[0]
            assert end.reason is Reason.LOST
            assert "did not come back" in end.text
            assert caller.stats().state == "reconnecting"
            caller.hang_up()
            await tasks[1]

    run(main())


@pytest.mark.net
def test_a_killed_peer_is_called_again_when_it_is_back(tmp_path: Path) -> None:
    speech_file(tmp_path / "said.wav", 60.0)
    port = free_port()
    arguments = ["--listen", f"127.0.0.1:{port}", "--input", str(tmp_path / "said.wav")]
    arguments += ["--output", "null"]

    async def main() -> None:
        peer = start_command("call", *arguments, Q2D2_SECRET=SECRET)
        try:
            caller = make_session(dial(port, SECRET, wait_s=30.0), tmp_path / "said.wav")
            (task,) = await start(caller)
            await heard_more(caller)
            peer.kill()
            peer.communicate()
            await until(lambda: caller.stats().state == "reconnecting", "noticing")
            peer = start_command("call", *arguments, Q2D2_SECRET=SECRET)
            await until(lambda: caller.stats().connections == 2, "the return", 30.0)
            await heard_more(caller)
            # The new process counts from nothing, and its frames are not taken for old ones.
            assert caller.stats().playout.restarts == 1
            assert caller.stats().counters.out_of_window == 0
            peer.send_signal(signal.SIGINT)
            end = await task
            assert end.by_peer
            assert end.reason is Reason.ENDED
            out, _ = await asyncio.to_thread(peer.communicate)
            assert peer.returncode == 0
            assert "delay p95" in out
        finally:
            peer.kill()

    run_in_real_time(main())


@pytest.mark.slow
def test_a_link_of_8_kbps_carries_speech(tmp_path: Path) -> None:
    speech_file(tmp_path / "said.wav", 60.0)

    async def main() -> None:
        # 40 bytes of TCP/IP headers per message, less the several messages that share a read.
        async with (
            listen() as listener,
            TcpProxy(listener.port, rate_bps=8000, header_bytes=40) as proxy,
        ):
            callee = make_session(listener)
            caller = make_session(
                dial(proxy.port, own=endpoint(frames_per_message=1)),
                tmp_path / "said.wav",
                rate=3,
            )
            tasks = await start(callee, caller)
            await until(lambda: caller.stats().steps_down >= 3, "stepping down")
            before = callee.stats().counters.received_frames
            await asyncio.sleep(4.0)
            after = callee.stats().counters.received_frames
            stats = caller.stats()
            assert after - before > 200, "two thirds of the 300 frames at least"
            assert stats.frames_per_message > 3
            assert stats.unsent_frames <= 38
            caller.hang_up()
            await asyncio.gather(*tasks)

    run(main())


@pytest.mark.parametrize("by", ["caller", "callee"])
def test_either_side_can_hang_up(by: str) -> None:
    async def main() -> None:
        async with listen() as listener:
            callee, caller = make_session(listener), make_session(dial(listener.port))
            tasks = await start(callee, caller)
            (caller if by == "caller" else callee).hang_up()
            ends = dict(zip(("callee", "caller"), await asyncio.gather(*tasks), strict=True))
            assert {end.reason for end in ends.values()} == {Reason.ENDED}
            assert not ends[by].by_peer

    run(main())


def test_hanging_up_before_anybody_answers() -> None:
    async def main() -> None:
        async with listen() as listener:
            callee, caller = make_session(listener), make_session(dial(free_port(), wait_s=60.0))
            tasks = [asyncio.create_task(side.run()) for side in (callee, caller)]
            await asyncio.sleep(0.3)
            for side in (callee, caller):
                side.hang_up()
            assert [end.reason for end in await asyncio.gather(*tasks)] == 2 * [Reason.ENDED]
            assert not callee.was_established

    run(main())
