"""Writing wav files in the background, so that a slow disk never holds up a call."""

from __future__ import annotations

import logging
import queue
import threading
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from q2d2_stream.audio.stream import SAMPLE_RATE, Pcm
from q2d2_stream.errors import InputError

__all__ = ["WavWriter", "pcm_to_int16"]

_log = logging.getLogger(__name__)

_QUEUE_BLOCKS = 375  # 5 s of frames: longer than an SD card's worst write stall
_MAX_SECONDS = 12 * 3600  # 2.07 GB: below the 2^31 bytes that some players stop at
_SETTLE_SAMPLES = SAMPLE_RATE  # the header on disk is at most one second behind


def pcm_to_int16(pcm: Pcm) -> bytes:
    """Little-endian 16-bit samples; exact for samples that came from 16 bits (``k / 32768``)."""
    data: bytes = np.clip(np.rint(pcm * 32768.0), -32768, 32767).astype("<i2").tobytes()
    return data


class WavWriter:
    """A 16-bit mono wav file, written by a thread of its own.

    The file is a valid wav at any time, if the program is killed too: the header is brought up
    to date every second. Samples that cannot be queued or written are counted, and replaced by
    silence, so that the rest of the file stays aligned.

    Args:
        path: file to create or replace; its folder must exist.
        sample_rate: samples per second.
        max_seconds: length at which the file ends and the rest is dropped.

    Raises:
        InputError: the file cannot be created.
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int = SAMPLE_RATE,
        max_seconds: float = _MAX_SECONDS,
    ) -> None:
        try:
            file = path.open("wb")
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}") from error
        self.path = path
        self.dropped_samples = 0
        self.error: str | None = None
        self._samples = 0
        self._max_samples = round(max_seconds * sample_rate)
        self._owed_samples = 0
        self._queue: queue.Queue[tuple[int, bytes] | None] = queue.Queue(_QUEUE_BLOCKS)
        self._closed = False
        self._thread = threading.Thread(
            target=self._run, args=(file, sample_rate), name=f"wav {path.name}", daemon=True
        )
        self._thread.start()

    @property
    def samples(self) -> int:
        """Length of the file so far, with what is queued and the silence for what was dropped."""
        return self._samples

    @property
    def backlog(self) -> float:
        """How full the queue is, 0 to 1."""
        return self._queue.qsize() / _QUEUE_BLOCKS

    def write(self, pcm: Pcm) -> None:
        """Queue samples, shape ``(n,)``; never waits."""
        if self._closed or self.error or self._samples + len(pcm) > self._max_samples:
            self.dropped_samples += len(pcm)
            return
        self._samples += len(pcm)
        try:
            self._queue.put_nowait((self._owed_samples, pcm_to_int16(pcm)))
            self._owed_samples = 0
        except queue.Full:
            self.dropped_samples += len(pcm)
            self._owed_samples += len(pcm)

    def pad(self, samples: int) -> None:
        """Put ``samples`` of silence before what is written next."""
        samples = max(0, min(samples, self._max_samples - self._samples))
        self._samples += samples
        self._owed_samples += samples

    def close(self) -> None:
        """Write what is queued, complete the header, close the file; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self, file: BinaryIO, sample_rate: int) -> None:
        items = iter(self._queue.get, None)
        try:
            with file:
                self._write_all(file, sample_rate, items)
        except OSError as error:
            self.error = f"{self.path} cannot be written: {error.strerror}"
            _log.warning("%s", self.error)
            for _ in items:  # close() must find the queue moving
                pass

    def _write_all(
        self, file: BinaryIO, sample_rate: int, items: Iterator[tuple[int, bytes] | None]
    ) -> None:
        with wave.open(file, "wb") as wav:
            wav.setparams((1, 2, sample_rate, 0, "NONE", ""))
            unsettled = _SETTLE_SAMPLES  # so that the header is on disk from the first block on
            for item in items:
                assert item is not None
                silence, block = item
                for start in range(0, silence, _SETTLE_SAMPLES):
                    wav.writeframesraw(bytes(2 * min(_SETTLE_SAMPLES, silence - start)))
                wav.writeframesraw(block)
                unsettled += silence + len(block) // 2
                if unsettled >= _SETTLE_SAMPLES:
                    wav.writeframes(b"")
                    file.flush()
                    unsettled = 0
