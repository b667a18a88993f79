"""A microphone that hears nothing and a loudspeaker that nobody hears."""

from __future__ import annotations

import numpy as np

from q2d2_stream.audio.pacing import Pacer
from q2d2_stream.audio.stream import FRAME_SAMPLES, SAMPLE_RATE, Pcm, Sink, Source, StreamStats

__all__ = ["NullSink", "SilenceSource"]


def _frame_s(realtime: bool) -> float:
    return FRAME_SAMPLES / SAMPLE_RATE if realtime else 0.0


class SilenceSource(Source):
    """Frames of zeros.

    Args:
        frames: how many before the end; None never ends.
        realtime: one frame per 13.33 ms rather than as fast as they are read.
    """

    def __init__(self, frames: int | None = None, realtime: bool = True) -> None:
        self.stats = StreamStats()
        self._left = frames
        self._pacer = Pacer(_frame_s(realtime))

    @property
    def name(self) -> str:
        """Always "silence"."""
        return "silence"

    @property
    def latency_ms(self) -> float:
        """Always 0."""
        return 0.0

    async def start(self) -> None:
        """Nothing to open."""

    async def read(self) -> Pcm | None:
        """320 zeros, or None after the last frame."""
        if self._left == 0:
            return None
        if self._left is not None:
            self._left -= 1
        await self._pacer.tick()
        self.stats.frames += 1
        return np.zeros(FRAME_SAMPLES, np.float32)

    async def close(self) -> None:
        """Nothing to release."""


class NullSink(Sink):
    """Discards what it is given.

    Args:
        realtime: wants one frame per 13.33 ms rather than as fast as they are written.
    """

    def __init__(self, realtime: bool = True) -> None:
        self.stats = StreamStats()
        self._pacer = Pacer(_frame_s(realtime))

    @property
    def name(self) -> str:
        """Always "null"."""
        return "null"

    @property
    def latency_ms(self) -> float:
        """Always 0."""
        return 0.0

    async def start(self) -> None:
        """Nothing to open."""

    async def ready(self) -> None:
        """Return when the next frame is due."""
        await self._pacer.tick()

    def write(self, pcm: Pcm) -> None:
        """Discard ``pcm``, shape ``(n,)``."""
        self.stats.frames += 1

    async def close(self) -> None:
        """Nothing to release."""
