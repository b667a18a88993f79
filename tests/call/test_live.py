"""Calls for programs, over real sockets: what is sent is heard, and how they begin and end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import q2d2_stream
from q2d2_stream.call import IncomingCalls, LiveCall
from q2d2_stream.errors import CallError, InputError
from q2d2_stream.protocol import Reason
from tests.labs.call import SECRET, codec, run

Pcm = NDArray[np.float32]


def rms(pcm: Pcm) -> float:
    return float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64))))


async def heard_of(call: LiveCall) -> Pcm:
    """All that the other side says until the call is over."""
    return np.concatenate([np.zeros(0, np.float32), *[pcm async for pcm in call]])


async def answer(calls: IncomingCalls, reply: Callable[[LiveCall], Awaitable[None]]) -> LiveCall:
    call = await calls.accept()
    await reply(call)
    return call


def test_what_either_side_sends_is_heard(speech: Pcm) -> None:
    said = speech[24_000:48_000]

    async def main() -> tuple[Pcm, Pcm]:
        notes: list[str] = []
        async with q2d2_stream.serve(
            "127.0.0.1:0", codec=codec(), secret=SECRET, on_text=notes.append
        ) as calls:
            heard: list[Pcm] = []

            async def reply(call: LiveCall) -> None:
                await call.send(said)
                heard.append(await heard_of(call))
                assert call.closed is not None
                assert call.closed.reason is Reason.ENDED

            answering = asyncio.create_task(answer(calls, reply))
            address = f"127.0.0.1:{calls.port}"
            async with q2d2_stream.connect(address, codec=codec(), secret=SECRET) as call:
                assert call.closed is None
                await call.send(said[:1000])  # no whole number of frames
                await call.send(said[1000:])
                assert call.stats().state == "talking"
                assert call.text("that was all")
                await call.drain()
                first = [pcm async for pcm, _ in _for_seconds(call, 2.0)]
            await answering
            assert notes == ["that was all"]
            return np.concatenate(first), heard[0]

    for heard in run(main()):
        level = 20 * np.log10(rms(heard) * len(heard) ** 0.5 / (rms(said) * len(said) ** 0.5))
        assert abs(level) < 2.0, level


async def _for_seconds(call: LiveCall, seconds: float) -> AsyncIterator[tuple[Pcm, int]]:
    samples = 0
    async for pcm in call:
        yield pcm, samples
        samples += len(pcm)
        if samples >= seconds * 24_000:
            return


def test_a_server_takes_one_call_after_the_other() -> None:
    async def main() -> list[str]:
        notices: list[str] = []
        async with q2d2_stream.serve("127.0.0.1:0", codec=codec(), notify=notices.append) as calls:

            async def listen() -> None:
                async for call in calls:
                    await heard_of(call)

            listening = asyncio.create_task(listen())
            for _ in range(2):
                async with q2d2_stream.connect(f"127.0.0.1:{calls.port}", codec=codec()) as call:
                    await call.send(np.zeros(3200, np.float32))
                assert call.closed is not None
                with pytest.raises(CallError):
                    await call.send(np.zeros(320, np.float32))
                assert not call.text("too late")
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        return notices

    assert sum("connected to" in notice for notice in run(main())) == 2


def test_a_call_that_does_not_come_about_says_why() -> None:
    async def main() -> None:
        async with q2d2_stream.serve("127.0.0.1:0", codec=codec(), secret=SECRET) as calls:
            address = f"127.0.0.1:{calls.port}"
            with pytest.raises(CallError, match="secret") as refused:
                async with q2d2_stream.connect(address, codec=codec(), secret="another one"):
                    pass
            assert refused.value.reason == "secret"
            answering = asyncio.create_task(answer(calls, heard_of))  # type: ignore[arg-type]
            async with q2d2_stream.connect(address, codec=codec(), secret=SECRET):
                with pytest.raises(CallError, match="busy") as busy:
                    async with q2d2_stream.connect(address, codec=codec(), secret=SECRET):
                        pass
                assert busy.value.reason == "busy"
            await answering
        with pytest.raises(CallError, match="cannot be reached"):
            async with q2d2_stream.connect(address, codec=codec()):
                pass

    run(main())


def test_an_error_in_the_block_hangs_up() -> None:
    async def main() -> None:
        async with q2d2_stream.serve("127.0.0.1:0", codec=codec()) as calls:
            answering = asyncio.create_task(answer(calls, heard_of))  # type: ignore[arg-type]
            with pytest.raises(ZeroDivisionError):
                async with q2d2_stream.connect(f"127.0.0.1:{calls.port}", codec=codec()) as call:
                    raise ZeroDivisionError
            assert call.closed is not None
            assert (await answering).closed is not None

    run(main())


def test_hanging_up_ends_the_other_sides_iteration() -> None:
    async def main() -> None:
        async with q2d2_stream.serve("127.0.0.1:0", codec=codec()) as calls:

            async def reply(call: LiveCall) -> None:
                call.mute()
                assert call.muted
                call.hang_up()

            answering = asyncio.create_task(answer(calls, reply))
            async with q2d2_stream.connect(f"127.0.0.1:{calls.port}", codec=codec()) as call:
                await heard_of(call)
                assert call.closed is not None
                assert call.closed.by_peer
            await answering

    run(main())


@pytest.mark.parametrize(
    "pcm", [np.zeros(320), np.zeros((1, 320), np.float32), [0.0], np.full(320, np.nan, np.float32)]
)
def test_what_is_no_sound_is_refused(pcm: object) -> None:
    async def main() -> None:
        async with q2d2_stream.serve("127.0.0.1:0", codec=codec()) as calls:
            answering = asyncio.create_task(answer(calls, heard_of))  # type: ignore[arg-type]
            async with q2d2_stream.connect(f"127.0.0.1:{calls.port}", codec=codec()) as call:
                with pytest.raises(InputError, match="expected"):
                    await call.send(pcm)  # type: ignore[arg-type]
            await answering

    run(main())


@pytest.mark.parametrize(("option", "value"), [("bitrate", 4), ("secret", "short")])
def test_options_are_checked_before_anything_is_dialled(option: str, value: Any) -> None:
    async def main() -> None:
        with pytest.raises(InputError, match="expected"):
            async with q2d2_stream.connect("127.0.0.1:1", codec=codec(), **{option: value}):
                pass
        with pytest.raises(InputError, match="without a secret"):
            async with q2d2_stream.serve("0.0.0.0:0", codec=codec()):
                pass

    run(main())
