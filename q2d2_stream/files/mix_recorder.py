"""Keeping what is said in a call or a room in one file: this side and all others, mixed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from q2d2_stream.audio.stream import SAMPLE_RATE, Pcm
from q2d2_stream.errors import InputError
from q2d2_stream.files.output import PendingFile
from q2d2_stream.files.recorder import Recorder
from q2d2_stream.files.track import GAP_S, RecordingClock
from q2d2_stream.files.wav_writer import WavWriter

__all__ = ["MixRecorder"]

_WAIT_SAMPLES = round(2 * GAP_S * SAMPLE_RATE)  # for the side that is behind


class MixRecorder(Recorder):
    """One wav file of both sides, in step. It appears with the first sound; a file that has the
    name already is kept, and the new one is numbered.

    Args:
        path: its name.
        clock: seconds from any monotonic origin.

    Raises:
        InputError: it cannot be created.
    """

    def __init__(self, path: str | Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = Path(path)
        try:
            PendingFile(path).discard()
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}") from error
        self._clock = RecordingClock(clock)
        self._writer: WavWriter | None = None
        self._sides = [0, 0]  # samples of each, with its gaps
        self._done = 0
        self._mixed = np.zeros(0, np.float32)  # from there on

    @property
    def path(self) -> Path:
        """The file, or the name that it shall have."""
        return self._path if self._writer is None else self._writer.path

    @property
    def writers(self) -> list[WavWriter]:
        """As :attr:`Recorder.writers`."""
        return [] if self._writer is None else [self._writer]

    def near(self, pcm: Pcm) -> None:
        """As :meth:`Recorder.near`."""
        self._add(0, pcm)

    def far(self, pcm: Pcm) -> None:
        """As :meth:`Recorder.far`."""
        self._add(1, pcm)

    def close(self) -> None:
        """As :meth:`Recorder.close`."""
        self._flush(max(self._sides))
        super().close()

    def _add(self, side: int, pcm: Pcm) -> None:
        at = self._sides[side]
        at = max(at + self._clock.behind(at + len(pcm)), self._done)
        end = self._sides[side] = at + len(pcm)
        missing = end - self._done - len(self._mixed)
        if missing > 0:
            self._mixed = np.append(self._mixed, np.zeros(missing, np.float32))
        self._mixed[at - self._done : end - self._done] += pcm
        self._flush(max(min(self._sides), max(self._sides) - _WAIT_SAMPLES))

    def _flush(self, end: int) -> None:
        """Write everything before ``end``."""
        ready = self._mixed[: end - self._done]
        if not len(ready):
            return
        if self._writer is None:
            self._writer = WavWriter(self._path, numbered=True)
        self._writer.write(ready)
        self._mixed = self._mixed[len(ready) :]
        self._done += len(ready)
