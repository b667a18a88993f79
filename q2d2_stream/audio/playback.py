"""A loudspeaker as a sink of frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.audio.device_stream import DeviceSession, DeviceStream, PortAudioStream
from q2d2_stream.audio.portaudio import load_sounddevice
from q2d2_stream.audio.stream import Pcm, Sink

__all__ = ["DeviceSink"]

_GROW_MS = 5.0
_MOST_MS = 80.0
_SHRINK_AFTER_S = 20.0
_DRAIN_LIMIT_S = 0.5


class DeviceSink(DeviceStream, Sink):
    """A sound output device.

    ```
    event loop, in write()            PortAudio's thread
    24 kHz --> device's rate --> ring --copy--> callback
                                  `-- below target: ready() returns
    ```

    The device's clock pulls: `ready` returns when the ring holds less than one callback block
    plus ``margin_ms``, so a frame is asked of the playout as late as possible. The margin covers
    the event loop's delays: it grows by 5 ms (up to 80) when the ring ran dry, and shrinks back
    by 1 ms in every 20 s in which it did not. While the device is gone, `ready` keeps real time
    and what is written is discarded.

    Args:
        device: index, part of a name, or None for the default device.
        latency_s: latency to ask of the sound driver, in seconds; it may give another.
        margin_ms: least buffer beyond one callback block, in milliseconds.
        notify: called in the event loop with a sentence when the device goes or comes back.
    """

    def __init__(
        self,
        device: int | str | None = None,
        latency_s: float = 0.02,
        margin_ms: float = 10.0,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__("output", device, latency_s, notify)
        self._least_ms = margin_ms
        self._margin_ms = margin_ms
        self._known_underruns = 0
        self._steady_since = 0.0

    @property
    def margin_ms(self) -> float:
        """The buffer beyond one callback block that is being kept."""
        return self._margin_ms

    @property
    def latency_ms(self) -> float:
        """From `write` to the ear: resampler, ring and driver."""
        session = self._session
        if session is None:
            return 0.0
        ring_ms = 1000.0 * len(session.ring) / session.info.sample_rate
        return session.resampler.held_ms + ring_ms + self.driver_ms()

    async def ready(self) -> None:
        """Return when the device will soon need the next frame."""
        while True:
            session = self._present_session()
            if session is None:
                await self._wait_absent()
                return
            self._adapt_margin()
            margin = self._margin_ms * session.info.sample_rate / 1000.0
            if session.block_samples and len(session.ring) < session.block_samples + margin:
                return
            await self._wait_callback()

    def write(self, pcm: Pcm) -> None:
        """Take ``pcm``, shape ``(n,)``; discarded while the device is gone."""
        self.stats.frames += 1
        session = self._present_session()
        if session is None:
            return
        samples = session.resampler.push(pcm)
        self.stats.dropped_samples += len(samples) - session.ring.offer(samples[:, None])

    async def close(self) -> None:
        """Let what was written be heard, for half a second at most, and release the device."""
        for _ in range(round(_DRAIN_LIMIT_S / 0.01)):
            session = self._present_session()
            if session is None or not len(session.ring):
                break
            await asyncio.sleep(0.01)
        await super().close()

    def _adapt_margin(self) -> None:
        now = asyncio.get_running_loop().time()
        if self.stats.underruns > self._known_underruns:
            self._known_underruns = self.stats.underruns
            self._margin_ms = min(self._margin_ms + _GROW_MS, max(_MOST_MS, self._least_ms))
            self._steady_since = now
        elif now - self._steady_since > _SHRINK_AFTER_S:
            self._margin_ms = max(self._margin_ms - 1.0, self._least_ms)
            self._steady_since = now

    def _make_stream(self, session: DeviceSession, latency_s: float) -> PortAudioStream:
        playing = False

        def callback(
            outdata: NDArray[np.float32], frames: int, when: object, status: object
        ) -> None:
            nonlocal playing
            if status:
                self.stats.xruns += 1
            filled = session.ring.read_into(outdata[:, :1])
            outdata[filled:, 0] = 0.0
            # A voice on the first two channels; a further one may be a subwoofer.
            outdata[:, 1:2] = outdata[:, :1]
            outdata[:, 2:] = 0.0
            if playing and filled < frames:
                self.stats.underruns += 1
                self.stats.missing_samples += frames - filled
            playing = playing or filled > 0
            session.heard(frames)
            self._wake()

        stream: PortAudioStream = load_sounddevice().OutputStream(
            **session.format, latency=latency_s, callback=callback
        )
        return stream
