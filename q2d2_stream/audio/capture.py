"""A microphone as a source of frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.audio.device_stream import DeviceSession, DeviceStream, PortAudioStream
from q2d2_stream.audio.fifo import Fifo
from q2d2_stream.audio.portaudio import load_sounddevice
from q2d2_stream.audio.resample import to_mono
from q2d2_stream.audio.stream import FRAME_SAMPLES, SAMPLE_RATE, Pcm, Source

__all__ = ["DeviceSource"]


class DeviceSource(DeviceStream, Source):
    """A sound input device.

    ```
    PortAudio's thread            event loop, in read()
    callback --copy--> ring 0.5 s --> mono --> 24 kHz --> frames of 320
    ```

    While the device is gone, `read` yields silence in real time. When the event loop stalls for
    more than half a second, the oldest sound is dropped and counted.

    Args:
        device: index, part of a name, or None for the default device.
        latency_s: latency to ask of the sound driver, in seconds; it may give another.
        notify: called in the event loop with a sentence when the device goes or comes back.
    """

    def __init__(
        self,
        device: int | str | None = None,
        latency_s: float = 0.02,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__("input", device, latency_s, notify)
        self._fifo = Fifo()
        self._drained: DeviceSession | None = None

    @property
    def latency_ms(self) -> float:
        """Age of a frame's last sample when `read` returns it: driver, ring and resampler."""
        session = self._session
        if session is None:
            return 0.0
        ring_ms = 1000.0 * len(session.ring) / session.info.sample_rate
        fifo_ms = 1000.0 * len(self._fifo) / SAMPLE_RATE
        return self.driver_ms() + ring_ms + session.resampler.held_ms + fifo_ms

    async def read(self) -> Pcm:
        """The next frame, shape ``(320,)``, when the device has brought it. Never ends."""
        while (frame := self._fifo.pop(FRAME_SAMPLES)) is None:
            session = self._present_session()
            if session is None:
                await self._wait_absent()
                frame = np.zeros(FRAME_SAMPLES, np.float32)
                break
            if session is not self._drained:
                self._drained = session
                self._fifo = Fifo()  # a piece of a frame from before the gap
            block = session.ring.read()
            if session.ring.lost_samples:
                self.stats.dropped_samples += session.ring.lost_samples
                session.ring.lost_samples = 0
            if len(block):
                self._fifo.push(session.resampler.push(to_mono(block)))
            else:
                await self._wait_callback()
        self.stats.frames += 1
        return frame

    async def close(self) -> None:
        """Release the device; a second call does nothing."""
        await super().close()
        self._drained = None

    def _make_stream(self, session: DeviceSession, latency_s: float) -> PortAudioStream:
        def callback(
            indata: NDArray[np.float32], frames: int, when: object, status: object
        ) -> None:
            if status:
                self.stats.xruns += 1
            session.ring.write(indata)
            session.heard(frames)
            self._wake()

        stream: PortAudioStream = load_sounddevice().InputStream(
            **session.format, latency=latency_s, callback=callback
        )
        return stream
