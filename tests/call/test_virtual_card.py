"""Calls from microphone to loudspeaker through a virtual sound card."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from q2d2_stream.audio import DeviceSink, DeviceSource, NullSink, SilenceSource
from q2d2_stream.call import CallOptions, CallSession
from q2d2_stream.call.echo import EchoConnector
from q2d2_stream.engine import StreamEncoder
from q2d2_stream.protocol import Reason
from tests.labs.call import EXACT, SPEECH, codec, dial, endpoint, listen, until
from tests.labs.jack import JackLab, missing_frames

pytestmark = pytest.mark.sound


@pytest.fixture
def lab() -> Iterator[JackLab]:
    with JackLab() as lab:
        yield lab


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[NDArray[np.float32]]]:
    """Every frame that goes into an encoder, by encoder."""
    frames: dict[int, list[NDArray[np.float32]]] = {}
    push = StreamEncoder.push

    def watched(self: StreamEncoder, pcm: NDArray[np.float32]) -> NDArray[np.uint8]:
        frames.setdefault(id(self), []).append(pcm)
        return push(self, pcm)

    monkeypatch.setattr(StreamEncoder, "push", watched)
    return frames


def offline_of(encoded: dict[int, list[NDArray[np.float32]]]) -> NDArray[np.float32]:
    """What the codec makes of all that an encoder got, but the end, which nobody waited for."""
    said = np.concatenate(max(encoded.values(), key=len))
    out = codec().decoder().push(codec().encoder(3).push(said))
    encoded.clear()
    return out[: len(out) - 320 * (2 * 75)]


async def say_and_hear(lab: JackLab, side: CallSession) -> None:
    """Say a sentence into the microphone and let it come out of the loudspeaker."""
    await until(lambda: side.stats().playout.played > 20, "the call")
    lab.say(soundfile.read(SPEECH / "kathleen_en_0.flac", dtype="float32")[0][:36_000])
    await until(lambda: lab.wait_said(0.0), "saying it")
    await asyncio.sleep(2.5)  # the playout holds 1.5 s back


def hold(
    lab: JackLab,
    encoded: dict[int, list[NDArray[np.float32]]],
    main: Callable[[], Coroutine[Any, Any, CallSession]],
) -> None:
    """Hold a call: every frame is heard bit for bit, but for what the card itself skipped.

    The card runs in real time. Where the machine is too busy for it, JACK skips cycles and the
    loudspeaker runs dry; both are counted, and each costs the frames around it and no more.
    """
    side = asyncio.run(asyncio.wait_for(main(), 40.0))
    expected = offline_of(encoded)
    assert np.abs(expected).max() > 0.01
    stats = side.stats()
    troubles = stats.sink.underruns + stats.sink.xruns + stats.source.xruns + lab.server_xruns
    troubles += stats.source.dropped_samples // 320 + stats.playout.concealed + stats.dropped_frames
    missed = missing_frames(expected, lab.heard())
    assert missed <= 8 * troubles, f"{missed} frames were not heard, after {troubles} troubles"
    if missed >= len(expected) // 640:  # more than half: it says nothing about the call
        pytest.skip("the virtual sound card skipped cycles: the machine is too busy for real time")


def test_loopback_is_bit_equal_from_microphone_to_loudspeaker(
    lab: JackLab, encoded: dict[int, list[NDArray[np.float32]]]
) -> None:
    async def main() -> CallSession:
        side = CallSession(
            codec(),
            EchoConnector(endpoint()),
            DeviceSource(lab.MIC),
            DeviceSink(lab.SPEAKER, margin_ms=80),
            CallOptions(playout=EXACT),
        )
        task = asyncio.create_task(side.run())
        await say_and_hear(lab, side)
        side.hang_up()
        assert (await task).reason is Reason.ENDED
        return side

    hold(lab, encoded, main)


def test_a_call_is_bit_equal_from_microphone_to_loudspeaker(
    lab: JackLab, encoded: dict[int, list[NDArray[np.float32]]]
) -> None:
    """The caller speaks and the callee is heard, on one card: each has one of its two devices."""

    async def main() -> CallSession:
        async with listen() as listener:
            options = CallOptions(playout=EXACT)
            caller = CallSession(
                codec(), dial(listener.port), DeviceSource(lab.MIC), NullSink(), options
            )
            callee = CallSession(
                codec(),
                listener,
                SilenceSource(frames=1),
                DeviceSink(lab.SPEAKER, margin_ms=80),
                options,
            )
            tasks = [asyncio.create_task(side.run()) for side in (callee, caller)]
            await say_and_hear(lab, callee)
            caller.hang_up()
            ends = await asyncio.gather(*tasks)
            assert [end.reason for end in ends] == [Reason.ENDED, Reason.ENDED]
            return callee

    hold(lab, encoded, main)
