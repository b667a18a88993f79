"""Keeping what is said in a call."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path

from q2d2_stream.audio.stream import Pcm
from q2d2_stream.files.track import RecordingClock, RecordingFolder, Track
from q2d2_stream.files.wav_writer import WavWriter

__all__ = ["CallRecorder", "Recorder"]


class Recorder(ABC):
    """Takes the sound of a call, of one thread, and never waits."""

    @property
    @abstractmethod
    def writers(self) -> Iterable[WavWriter]:
        """What writes the files that there are."""

    @property
    def dropped_samples(self) -> int:
        """Samples that the disk was too slow or too full for, of all files."""
        return sum(writer.dropped_samples for writer in self.writers)

    @property
    def error(self) -> str | None:
        """Why the disk refused, in a sentence, or None."""
        return next((writer.error for writer in self.writers if writer.error), None)

    @abstractmethod
    def near(self, pcm: Pcm) -> None:
        """Record what this side said, shape ``(n,)``."""

    @abstractmethod
    def far(self, pcm: Pcm) -> None:
        """Record what is heard here, everybody mixed, shape ``(n,)``."""

    # Of rooms: only a recorder that keeps each person minds.

    def voice(self, member: int, pcm: Pcm) -> None:  # noqa: B027
        """Record what one of several is heard to say, shape ``(n,)``, before :meth:`far`."""

    def name(self, member: int, name: str) -> None:  # noqa: B027
        """Say who ``member`` is, of whom sound may follow."""

    def forget(self, member: int) -> None:  # noqa: B027
        """``member`` has gone; the number may be another's next time."""

    def close(self) -> None:
        """Complete all files, blocking until they are on disk; a second call does nothing."""
        for writer in self.writers:
            writer.close()


class CallRecorder(Recorder):
    """Two wav files that begin at the same moment: ``near.wav`` and ``far.wav``.

    They appear with the first sound: a call that does not come about leaves none. Each side may
    start late, pause or lose frames, and stays in step, so that question and answer do. Files of an
    earlier recording in the same folder are kept: the new ones are then numbered.

    Args:
        folder: where they go; created when missing.
        clock: seconds from any monotonic origin.

    Raises:
        InputError: the folder or files in it cannot be created.
    """

    def __init__(self, folder: str | Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = RecordingFolder(folder)
        self._clock = RecordingClock(clock)
        self._tracks: tuple[Track, Track] | None = None

    @property
    def paths(self) -> tuple[Path, Path]:
        """The files of the near and the far side, or what their names would be now."""
        if self._tracks is None:
            return self._free_names()
        near, far = self._tracks
        return near.writer.path, far.writer.path

    @property
    def writers(self) -> list[WavWriter]:
        """As :attr:`Recorder.writers`."""
        return [track.writer for track in self._tracks or ()]

    def near(self, pcm: Pcm) -> None:
        """As :meth:`Recorder.near`."""
        self._both()[0].write(pcm)

    def far(self, pcm: Pcm) -> None:
        """As :meth:`Recorder.far`."""
        self._both()[1].write(pcm)

    def close(self) -> None:
        """As :meth:`Recorder.close`."""
        super().close()
        self._folder.close()

    def _both(self) -> tuple[Track, Track]:
        if self._tracks is None:
            near, far = self._free_names()
            self._tracks = Track(near, self._clock), Track(far, self._clock)
        return self._tracks

    def _free_names(self) -> tuple[Path, Path]:
        suffix = self._folder.free_suffix("near", "far")
        return self._folder.path / f"near{suffix}.wav", self._folder.path / f"far{suffix}.wav"
