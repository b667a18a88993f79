"""Keeping both sides of a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from q2d2_stream.audio.stream import SAMPLE_RATE, Pcm
from q2d2_stream.errors import InputError
from q2d2_stream.files.output import PendingFile
from q2d2_stream.files.wav_writer import WavWriter

__all__ = ["Recorder"]

_GAP_S = 0.25  # more than the playout's bursts, less than a listener would call out of step


class Recorder:
    """Two wav files that begin at the same moment: ``near.wav`` and ``far.wav``.

    They appear with the first sound: a call that does not come about leaves none. Each side may
    start late, pause or lose frames: a side that is more than a quarter of a second behind the
    clock is filled up with silence, so that question and answer stay in step. Files of an earlier
    recording in the same folder are kept: the new ones are then numbered.

    Args:
        folder: where they go; created when missing.
        clock: seconds from any monotonic origin.

    Raises:
        InputError: the folder or files in it cannot be created.
    """

    def __init__(self, folder: str | Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = Path(folder)
        self._is_new = not self._folder.exists()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder} cannot be created: {error.strerror}") from error
        try:
            PendingFile(self._folder / "near.wav").discard()
        except OSError as error:
            raise InputError(f"{folder} cannot be written to: {error.strerror}") from error
        self._writers: tuple[WavWriter, WavWriter] | None = None
        self._clock = clock
        self._began = clock()

    @property
    def paths(self) -> tuple[Path, Path]:
        """The files of the near and the far side, or what their names would be now."""
        if self._writers is None:
            return _free_names(self._folder)
        near, far = self._writers
        return near.path, far.path

    @property
    def dropped_samples(self) -> int:
        """Samples of both sides that the disk was too slow or too full for."""
        return sum(writer.dropped_samples for writer in self._writers or ())

    @property
    def error(self) -> str | None:
        """Why the disk refused, in a sentence, or None."""
        return next((writer.error for writer in self._writers or () if writer.error), None)

    def near(self, pcm: Pcm) -> None:
        """Record what this side said, shape ``(n,)``; never waits."""
        self._write(0, pcm)

    def far(self, pcm: Pcm) -> None:
        """Record what the other side was heard to say, shape ``(n,)``; never waits."""
        self._write(1, pcm)

    def close(self) -> None:
        """Complete both files, blocking until they are on disk; a second call does nothing."""
        for writer in self._writers or ():
            writer.close()
        if self._is_new:
            with suppress(OSError):  # unless there is something in it
                self._folder.rmdir()

    def _write(self, side: int, pcm: Pcm) -> None:
        if self._writers is None:
            near, far = _free_names(self._folder)
            self._writers = WavWriter(near, numbered=True), WavWriter(far, numbered=True)
        writer = self._writers[side]
        elapsed = round((self._clock() - self._began) * SAMPLE_RATE)
        behind = elapsed - writer.samples - len(pcm)
        if behind > _GAP_S * SAMPLE_RATE:
            writer.pad(behind)
        writer.write(pcm)


def _free_names(folder: Path) -> tuple[Path, Path]:
    number = 1
    while True:
        suffix = "" if number == 1 else f"-{number}"
        near, far = folder / f"near{suffix}.wav", folder / f"far{suffix}.wav"
        if not near.exists() and not far.exists():
            return near, far
        number += 1
