"""A wav file in place of a loudspeaker."""

from __future__ import annotations

import asyncio
from pathlib import Path

from q2d2_stream.audio.pacing import Pacer
from q2d2_stream.audio.stream import FRAME_SAMPLES, SAMPLE_RATE, Pcm, Sink, StreamStats
from q2d2_stream.errors import InputError
from q2d2_stream.files.wav_writer import WavWriter

__all__ = ["FileSink"]


class FileSink(Sink):
    """A 16-bit mono 24 kHz wav file, which appears with the first samples.

    Args:
        path: the file to create or replace.
        realtime: wants one frame per 13.33 ms rather than as fast as they are written.
        numbered: never replace a file, but write ``x-2.wav`` where there is an ``x.wav``.
    """

    def __init__(self, path: str | Path, realtime: bool = True, numbered: bool = False) -> None:
        self.stats = StreamStats()
        self._path = Path(path)
        self._numbered = numbered
        self._pacer = Pacer(FRAME_SAMPLES / SAMPLE_RATE if realtime else 0.0)
        self._writer: WavWriter | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def path(self) -> Path:
        """Where the sound is, or will be."""
        return self._path if self._writer is None else self._writer.path

    @property
    def latency_ms(self) -> float:
        """Always 0."""
        return 0.0

    async def start(self) -> None:
        """Create the file, under another name yet. Raises InputError when that is not possible."""
        self._writer = WavWriter(self._path, numbered=self._numbered)

    async def ready(self) -> None:
        """Return when the next frame is due and the disk keeps up, or has failed."""
        await self._pacer.tick()
        while self._writer and self._writer.backlog > 0.5 and not self._writer.error:
            await asyncio.sleep(0.005)

    def write(self, pcm: Pcm) -> None:
        """Append ``pcm``, shape ``(n,)``."""
        if self._writer is None:
            raise InputError(f"{self._path} is not open: call start first")
        self._writer.write(pcm)
        self.stats.frames += 1
        self.stats.dropped_samples = self._writer.dropped_samples

    async def close(self) -> None:
        """Write out what is queued and complete the file. Raises InputError if the disk failed."""
        if self._writer:
            await asyncio.to_thread(self._writer.close)
            if self._writer.error:
                raise InputError(self._writer.error)
