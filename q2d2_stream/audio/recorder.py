"""Keeping both sides of a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from q2d2_stream.audio.stream import SAMPLE_RATE, Pcm
from q2d2_stream.audio.wav import WavWriter
from q2d2_stream.errors import InputError

__all__ = ["Recorder"]

_GAP_S = 0.25  # more than the playout's bursts, less than a listener would call out of step


class Recorder:
    """Two wav files that begin at the same moment: ``near.wav`` and ``far.wav``.

    Each side may start late, pause or lose frames: a side that is more than a quarter of a second
    behind the clock is filled up with silence, so that question and answer stay in step. Files of
    an earlier recording in the same folder are kept: the new ones are then numbered.

    Args:
        folder: where they go; created when missing.
        clock: seconds from any monotonic origin.

    Raises:
        InputError: the folder or the files cannot be created.
    """

    def __init__(self, folder: str | Path, clock: Callable[[], float] = time.monotonic) -> None:
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder} cannot be created: {error.strerror}") from error
        near, far = _free_names(folder)
        self._near = WavWriter(near)
        try:
            self._far = WavWriter(far)
        except InputError:
            self._near.close()
            raise
        self._clock = clock
        self._began = clock()

    @property
    def paths(self) -> tuple[Path, Path]:
        """The files of the near and the far side."""
        return self._near.path, self._far.path

    @property
    def dropped_samples(self) -> int:
        """Samples of both sides that the disk was too slow or too full for."""
        return self._near.dropped_samples + self._far.dropped_samples

    @property
    def error(self) -> str | None:
        """Why the disk refused, in a sentence, or None."""
        return self._near.error or self._far.error

    def near(self, pcm: Pcm) -> None:
        """Record what this side said, shape ``(n,)``; never waits."""
        self._write(self._near, pcm)

    def far(self, pcm: Pcm) -> None:
        """Record what the other side was heard to say, shape ``(n,)``; never waits."""
        self._write(self._far, pcm)

    def close(self) -> None:
        """Complete both files, blocking until they are on disk; a second call does nothing."""
        self._near.close()
        self._far.close()

    def _write(self, writer: WavWriter, pcm: Pcm) -> None:
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
