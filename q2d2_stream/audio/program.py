"""Sound that a program gives and takes in place of a microphone and a loudspeaker."""

from __future__ import annotations

import asyncio
from collections import deque

import numpy as np

from q2d2_stream.audio.fifo import Fifo
from q2d2_stream.audio.pacing import Pacer
from q2d2_stream.audio.stream import FRAME_SAMPLES, SAMPLE_RATE, Pcm, Sink, Source, StreamStats

__all__ = ["ProgramSink", "ProgramSource"]

_FRAME_S = FRAME_SAMPLES / SAMPLE_RATE


class ProgramSource(Source):
    """Says what a program puts in, in real time; silence while there is nothing.

    Args:
        buffer_s: seconds of sound that may wait; :meth:`put` waits while there is more.
    """

    def __init__(self, buffer_s: float = 1.0) -> None:
        self.stats = StreamStats()
        self._limit = round(buffer_s * SAMPLE_RATE)
        self._fifo = Fifo()
        self._pacer = Pacer(_FRAME_S)
        self._changed = asyncio.Condition()
        self._ending = self._closed = False

    @property
    def name(self) -> str:
        """Always "program"."""
        return "program"

    @property
    def latency_ms(self) -> float:
        """How much sound waits to be said."""
        return 1000 * len(self._fifo) / SAMPLE_RATE

    async def start(self) -> None:
        """Nothing to open."""

    async def put(self, pcm: Pcm) -> bool:
        """Say ``pcm`` ``(n,)`` after what was put before; any n will do.

        Returns when all of it is buffered; False when the source was closed before that.
        """
        while len(pcm):
            async with self._changed:
                await self._changed.wait_for(lambda: self._closed or self._room() > 0)
                if self._closed:
                    return False
                room = self._room()
                self._fifo.push(pcm[:room])
                pcm = pcm[room:]
        return not self._closed

    async def drain(self) -> None:
        """Return when all of it has been said, or the source is closed."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or not len(self._fifo))

    def finish(self) -> None:
        """Say what is left, then end."""
        self._ending = True

    async def read(self) -> Pcm | None:
        """The next frame when it is due, shape ``(320,)``; None after the end."""
        await self._pacer.tick()
        if self._closed or (self._ending and not len(self._fifo)):
            return None
        missing = FRAME_SAMPLES - len(self._fifo)
        if missing > 0:
            self._fifo.push(np.zeros(missing, np.float32))
        async with self._changed:
            frame = self._fifo.pop(FRAME_SAMPLES)
            self._changed.notify_all()
        self.stats.frames += 1
        return frame

    async def close(self) -> None:
        """Say no more."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _room(self) -> int:
        return self._limit - len(self._fifo)


class ProgramSink(Sink):
    """Keeps what is heard until a program takes it; the oldest is dropped, and counted, while the
    program does not.

    Args:
        buffer_s: seconds of sound that may wait.
    """

    def __init__(self, buffer_s: float = 5.0) -> None:
        self.stats = StreamStats()
        self._held: deque[Pcm] = deque()
        self._limit = max(1, round(buffer_s / _FRAME_S))
        self._pacer = Pacer(_FRAME_S)
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def name(self) -> str:
        """Always "program"."""
        return "program"

    @property
    def latency_ms(self) -> float:
        """How much sound waits to be taken."""
        return 1000 * len(self._held) * _FRAME_S

    async def start(self) -> None:
        """Nothing to open."""

    async def ready(self) -> None:
        """Return when the next frame is due."""
        await self._pacer.tick()

    def write(self, pcm: Pcm) -> None:
        """Keep ``pcm``, shape ``(n,)``."""
        if len(self._held) >= self._limit:
            self.stats.dropped_samples += len(self._held.popleft())
        self._held.append(pcm)
        self.stats.frames += 1
        self._changed.set()

    async def get(self) -> Pcm | None:
        """The oldest piece of sound; None after the last one of a closed sink."""
        while not self._held:
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._held.popleft()

    async def close(self) -> None:
        """Nothing more is heard; what is kept can still be taken."""
        self._closed = True
        self._changed.set()
