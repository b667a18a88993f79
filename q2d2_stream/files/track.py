"""One wav file of a recording, in step with the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from q2d2_stream.audio.stream import SAMPLE_RATE, Pcm
from q2d2_stream.errors import InputError
from q2d2_stream.files.output import PendingFile
from q2d2_stream.files.wav_writer import WavWriter

__all__ = ["GAP_S", "RecordingClock", "RecordingFolder", "Track"]

GAP_S = 0.25  # more than the playout's bursts, less than a listener would call out of step


class RecordingClock:
    """Time since a recording began, in samples.

    Args:
        clock: seconds from any monotonic origin.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()

    def behind(self, samples: int) -> int:
        """How far a track that will have so many samples lags; 0 when it is in step."""
        behind = round((self._clock() - self._began) * SAMPLE_RATE) - samples
        return behind if behind > GAP_S * SAMPLE_RATE else 0


class Track:
    """A wav file that may start late, pause or lose frames: one that is more than a quarter of a
    second behind the clock is filled up with silence.

    Args:
        path: its name; a file that has it is kept, and the new one is numbered.
        clock: of the recording.

    Raises InputError where the file cannot be created.
    """

    def __init__(self, path: Path, clock: RecordingClock) -> None:
        self.writer = WavWriter(path, numbered=True)
        self._clock = clock

    def write(self, pcm: Pcm) -> None:
        """Append sound of now, shape ``(n,)``; never waits."""
        if behind := self._clock.behind(self.writer.samples + len(pcm)):
            self.writer.pad(behind)
        self.writer.write(pcm)


class RecordingFolder:
    """Where tracks go; created when missing, and removed again where nothing was kept.

    Raises InputError where nothing can be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._is_new = not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path} cannot be created: {error.strerror}") from error
        try:
            PendingFile(self.path / "near.wav").discard()
        except OSError as error:
            raise InputError(f"{path} cannot be written to: {error.strerror}") from error

    def free_suffix(self, *names: str) -> str:
        """Empty, or ``-2``, ``-3``, ...: none of ``names`` with it has a file yet."""
        number = 1
        while True:
            suffix = "" if number == 1 else f"-{number}"
            if not any((self.path / f"{name}{suffix}.wav").exists() for name in names):
                return suffix
            number += 1

    def close(self) -> None:
        """The recording is over."""
        if self._is_new:
            with suppress(OSError):  # unless there is something in it
                self.path.rmdir()
