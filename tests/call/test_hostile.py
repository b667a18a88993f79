"""Strangers and a misbehaving peer against a listener that holds a call meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from q2d2_stream.call import CallServer, CallSession, ConnectionLimits
from q2d2_stream.protocol import Call, Closed, Reason, Role, Session, State
from tests.labs.call import SECRET, dial, endpoint, listen, make_session, run_in_real_time, until
from tests.labs.protocol import frames_of

pytestmark = pytest.mark.net

MIB = 1 << 20


@asynccontextmanager
async def good_call(
    limits: ConnectionLimits | None = None,
) -> AsyncIterator[tuple[CallServer, CallSession, CallSession]]:
    """A call that goes on next to the trouble, and must not notice."""
    async with listen(SECRET, limits=limits) as listener:
        callee, caller = make_session(listener), make_session(dial(listener.port, SECRET))
        tasks = [asyncio.create_task(side.run()) for side in (callee, caller)]
        await until(lambda: callee.stats().playout.played > 40, "the good call")
        yield listener, callee, caller
        await until(lambda: listener.strangers == 0, "the strangers' leaving")
        before = callee.stats().playout.played
        await until(lambda: callee.stats().playout.played > before + 40, "the call going on")
        assert caller.stats().state == callee.stats().state == "talking"
        assert callee.stats().connections == caller.stats().connections == 1
        counters = callee.stats().counters
        assert counters.malformed == counters.duplicate == counters.out_of_window == 0
        assert counters.received_frames <= caller.stats().counters.sent_frames
        caller.hang_up()
        await asyncio.gather(*tasks)


async def attack(port: int, name: str) -> int:
    """Run an attack in a process of its own; how many messages it sent."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.labs.attackers",
        str(port),
        name,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return int(out)


@pytest.mark.parametrize("name", ["strangers", "oversized", "pings", "guesses"])
def test_a_good_call_does_not_notice_strangers(name: str) -> None:
    async def main() -> None:
        async with good_call() as (listener, callee, _):
            gc.collect()
            tracemalloc.start(1)
            played = callee.stats().playout.played
            sent = await attack(listener.port, name)
            assert (
                sent == {"strangers": 10_000, "oversized": 5, "pings": 100_000, "guesses": 20}[name]
            )
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < 8 * MIB
            assert callee.stats().playout.played > played

    run_in_real_time(main())


def test_slow_strangers_are_cut_off_and_few_at_a_time() -> None:
    async def main() -> None:
        limits = ConnectionLimits(strangers=4, refills_per_s=0.5, open_s=1.0)
        async with good_call(limits) as (listener, _, _):
            trouble = asyncio.create_task(attack(listener.port, "slow"))
            await until(lambda: listener.refused >= 15, "the limit")
            assert listener.strangers <= 4
            assert await trouble == 20

    run_in_real_time(main())


async def mad_peer(make: Callable[[Session], list[bytes]]) -> tuple[CallSession, Closed]:
    """A peer with the secret that sends what ``make`` makes as fast as it can, and then nothing."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    async with listen(SECRET, limits=ConnectionLimits(hold_s=0.2)) as listener:
        callee = make_session(listener)
        task = asyncio.create_task(callee.run())
        session = Session(endpoint(SECRET), Role.CLIENT, 0.0, call=Call())
        uri = f"ws://127.0.0.1:{listener.port}"
        async with connect(uri, compression=None, proxy=None) as websocket:
            while session.state is not State.ESTABLISHED:
                for message in session.data_to_send():
                    await websocket.send(message)
                session.receive_data(await websocket.recv(), 0.0)
            await until(lambda: callee.was_established, "the call")
            messages = make(session)
            tracemalloc.start(1)
            with contextlib.suppress(ConnectionClosed):
                for message in messages:
                    await websocket.send(message)
            counters = callee.stats
            await until(
                lambda: task.done() or counters().counters.received >= len(messages), "reading"
            )
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < 16 * MIB
        return callee, await task


def test_a_mad_peer_gets_no_more_in_than_its_share() -> None:
    """Well-formed frames out of order, repeated, and far too many."""

    async def main() -> None:
        def make(session: Session) -> list[bytes]:
            for number in range(0, 24_000, 8):
                session.send_audio(frames_of(number, frames=8), 0.0)
                messages.extend(session.data_to_send())
            return random.Random(3).choices(messages, k=9000)

        messages: list[bytes] = []
        callee, end = await mad_peer(make)
        counters = callee.stats().counters
        assert counters.received >= 9000
        assert counters.rate_limited > 1000  # the rest had time to pass: a busy machine is slow
        assert counters.replayed > 0
        assert counters.received_frames < 4000
        assert callee.stats().playout.received <= counters.received_frames
        assert end.reason is Reason.LOST

    run_in_real_time(main())


def test_a_mad_peer_is_hung_up_on() -> None:
    async def main() -> None:
        def make(session: Session) -> list[bytes]:
            sealing = session._open.sealing
            return [sealing.seal_control(b"\x11" + bytes(number % 8)) for number in range(1000)]

        callee, end = await mad_peer(make)
        assert end.reason is Reason.PROTOCOL
        assert "malformed" in end.text
        assert 40 < callee.stats().counters.malformed < 100

    run_in_real_time(main())


def test_a_caller_gets_in_while_strangers_hold_all_places() -> None:
    """As the silent floods do: from the caller's own address, to a listener without a call."""

    async def main() -> None:
        limits = ConnectionLimits(strangers=8, first_bytes_s=5.0)
        async with listen(SECRET, limits=limits) as listener:
            held = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(40)]
            await until(lambda: listener.strangers == 8, "all places being taken")
            callee = make_session(listener)
            caller = make_session(dial(listener.port, SECRET, wait_s=20.0))
            tasks = [asyncio.create_task(side.run()) for side in (callee, caller)]
            await until(lambda: caller.stats().playout.played > 10, "the call")
            for _, writer in held:
                writer.transport.abort()
            caller.hang_up()
            await asyncio.gather(*tasks)

    run_in_real_time(main())


def test_a_caller_gets_in_while_others_guess_and_the_user_is_told() -> None:
    notes: list[str] = []

    async def guess(port: int) -> None:
        while True:
            line = dial(port, "not the secret")
            assert (await line.open()).reason is Reason.SECRET  # type: ignore[union-attr]

    async def main() -> None:
        async with listen(SECRET, notify=notes.append) as listener:
            guessers = [asyncio.create_task(guess(listener.port)) for _ in range(7)]
            await until(lambda: notes, "the report")
            callee = make_session(listener)
            caller = make_session(dial(listener.port, SECRET, wait_s=20.0))
            tasks = [asyncio.create_task(side.run()) for side in (callee, caller)]
            await until(lambda: caller.stats().playout.played > 10, "the call")
            assert not any(task.done() for task in guessers)
            for task in guessers:
                task.cancel()
            caller.hang_up()
            await asyncio.gather(*tasks)
            await asyncio.gather(*guessers, return_exceptions=True)

    run_in_real_time(main())
    (report,) = notes
    assert "wrong guess" in report
    assert "127.0.0.1" in report
