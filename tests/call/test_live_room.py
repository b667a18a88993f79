"""Rooms for programs, on a real relay: who is there, what they say, and how it ends."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import q2d2_stream
from q2d2_stream.call import LiveRoom
from q2d2_stream.errors import CallError, InputError
from q2d2_stream.rooms import RoomLink
from tests.labs.call import codec, run, until
from tests.labs.relay import relay

Pcm = NDArray[np.float32]


async def _hear(room: LiveRoom, seconds: float) -> Pcm:
    pieces: list[Pcm] = []
    async for pcm in room:
        pieces.append(pcm)
        if sum(map(len, pieces)) >= 24_000 * seconds:
            break
    return np.concatenate([np.zeros(0, np.float32), *pieces])


def test_two_programs_meet_talk_and_see_each_other(speech: Pcm) -> None:
    said = speech[24_000:48_000]

    async def main() -> None:
        notes: list[str] = []
        async with relay() as at:
            link = RoomLink.new(f"http://127.0.0.1:{at.port}")
            async with q2d2_stream.join(
                link, codec=codec(), name="Ana", on_text=notes.append
            ) as ana:
                async with q2d2_stream.join(str(ana.link), codec=codec(), name="Ben") as ben:
                    await until(lambda: "Ben" in ana.members.values(), "Ben")
                    await until(lambda: "Ana" in ben.members.values(), "Ana")
                    assert ana.fingerprint == ben.fingerprint
                    assert ben.text("hello")
                    await ben.send(said)
                    heard = await _hear(ana, 2.0)
                    assert float(heard @ heard) > 0.5 * float(said @ said)
                    (number,) = ana.members
                    ana.set_gain(number, 0.0)
                    await ben.send(said)
                    silent = await _hear(ana, 2.0)
                    assert float(silent @ silent) < 0.05 * float(said @ said)
                assert ben.closed is not None
                await until(lambda: not ana.members, "Ben to leave")
        assert notes == ["Ben: hello"]
        with pytest.raises(CallError):
            await ana.send(said)

    run(main())


def test_a_room_that_cannot_be_had_says_why() -> None:
    async def main() -> None:
        async with relay() as at:
            link = RoomLink.new(f"http://127.0.0.1:{at.port}")
        with pytest.raises(CallError, match="cannot be reached"):
            async with q2d2_stream.join(link, codec=codec()):
                pass
        with pytest.raises(InputError, match="expected"):
            async with q2d2_stream.join("https://relay.example/", codec=codec()):
                pass
        with pytest.raises(InputError, match="transport is 'pigeon'"):
            async with q2d2_stream.join(link, codec=codec(), transport="pigeon"):  # type: ignore[arg-type]
                pass

    run(main())
