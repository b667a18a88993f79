"""Sound files in place of a microphone and a loudspeaker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import soundfile

from q2d2_stream.audio.fifo import Fifo
from q2d2_stream.audio.pacing import Pacer
from q2d2_stream.audio.resample import StreamResampler, to_mono
from q2d2_stream.audio.stream import FRAME_SAMPLES, SAMPLE_RATE, Pcm, Sink, Source, StreamStats
from q2d2_stream.audio.wav import WavWriter
from q2d2_stream.errors import InputError

__all__ = ["FileSink", "FileSource"]

_BLOCK_S = 0.1  # read ahead by a tenth of a second: well under a millisecond of decoding


class FileSource(Source):
    """A wav, flac or ogg file of any rate and number of channels, as 24 kHz mono frames.

    Args:
        path: the file.
        realtime: one frame per 13.33 ms rather than as fast as they are read.
        loop: start again at the end, without a seam.
    """

    def __init__(self, path: str | Path, realtime: bool = True, loop: bool = False) -> None:
        self.stats = StreamStats()
        self._path = Path(path)
        self._loop = loop
        self._pacer = Pacer(FRAME_SAMPLES / SAMPLE_RATE if realtime else 0.0)
        self._fifo = Fifo()
        self._file: soundfile.SoundFile | None = None
        self._resampler: StreamResampler | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    @property
    def latency_ms(self) -> float:
        """Always 0."""
        return 0.0

    async def start(self) -> None:
        """Open the file. Raises InputError when it is missing, empty or not a sound file."""
        try:
            self._file = soundfile.SoundFile(self._path)
        except soundfile.LibsndfileError as error:
            raise InputError(
                f"{self._path} cannot be read as sound ({error.error_string.rstrip('.')}); "
                "expected a wav, flac or ogg file"
            ) from error
        if not self._file.frames:
            raise InputError(f"{self._path} holds no samples")
        self._resampler = StreamResampler(self._file.samplerate, SAMPLE_RATE, "file")

    async def read(self) -> Pcm | None:
        """The next frame, shape ``(320,)``, the last one filled up with zeros; then None."""
        while self._resampler and (len(self._fifo) < FRAME_SAMPLES):
            self._decode()
        frame = self._fifo.pop(FRAME_SAMPLES)
        if frame is None:
            if not len(self._fifo):
                return None
            self._fifo.push(np.zeros(FRAME_SAMPLES - len(self._fifo), np.float32))
            return await self.read()
        await self._pacer.tick()
        self.stats.frames += 1
        return frame

    async def close(self) -> None:
        """Close the file; `read` returns None from here on."""
        if self._file:
            self._file.close()
        self._resampler = None
        self._fifo = Fifo()

    def _decode(self) -> None:
        assert self._file
        assert self._resampler
        block = self._file.read(
            round(_BLOCK_S * self._file.samplerate), dtype="float32", always_2d=True
        )
        if not len(block) and self._loop:
            self._file.seek(0)
            return
        self._fifo.push(self._resampler.push(to_mono(block), last=not len(block)))
        if not len(block):
            self._resampler = None


class FileSink(Sink):
    """A 16-bit mono 24 kHz wav file.

    Args:
        path: the file to create or replace.
        realtime: wants one frame per 13.33 ms rather than as fast as they are written.
    """

    def __init__(self, path: str | Path, realtime: bool = True) -> None:
        self.stats = StreamStats()
        self._path = Path(path)
        self._pacer = Pacer(FRAME_SAMPLES / SAMPLE_RATE if realtime else 0.0)
        self._writer: WavWriter | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    @property
    def latency_ms(self) -> float:
        """Always 0."""
        return 0.0

    async def start(self) -> None:
        """Create the file. Raises InputError when that is not possible."""
        self._writer = WavWriter(self._path)

    async def ready(self) -> None:
        """Return when the next frame is due and the disk keeps up, or has failed."""
        await self._pacer.tick()
        while self._writer and self._writer.backlog > 0.5:
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
