"""Writing wav files in the background, so that a slow disk never holds up a call."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from q2d2_stream.audio.pcm import pcm_to_int16
from q2d2_stream.audio.stream import SAMPLE_RATE, Pcm
from q2d2_stream.errors import InputError
from q2d2_stream.files.output import PendingFile, is_special
from q2d2_stream.files.wav_header import wav_header

__all__ = ["WavWriter"]

_log = logging.getLogger(__name__)

_QUEUE_BLOCKS = 375  # 5 s of frames: longer than an SD card's worst write stall
_MAX_SECONDS = 12 * 3600  # 2.07 GB: below the 2^31 bytes that some players stop at
_SETTLE_SAMPLES = SAMPLE_RATE  # the header on disk is at most one second behind
_READER_S = 3.0  # for whoever reads from a named pipe to take the rest


class WavWriter:
    """A 16-bit mono wav file, written by a thread of its own.

    The file has its name from its first samples on; until then, and if there are none, a file that
    had the name before stays as it was. It is a valid wav at any time, if the program is killed
    too: the header is brought up to date every second. Samples that cannot be queued or written
    are counted, and replaced by silence, so that the rest of the file stays aligned.

    Args:
        path: file to create or replace; its folder must exist. A named pipe or a device gets a
            header without a length.
        sample_rate: samples per second.
        max_seconds: length at which the file ends and the rest is dropped.
        numbered: never replace a file, but write ``x-2.wav`` where there is an ``x.wav``.

    Raises:
        InputError: the file cannot be created, or another call is writing it.
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int = SAMPLE_RATE,
        max_seconds: float = _MAX_SECONDS,
        numbered: bool = False,
    ) -> None:
        self._path = path
        self._pending: PendingFile | None = None
        if not is_special(path):
            if not numbered:
                _require_unlocked(path)
            try:
                self._pending = PendingFile(path, numbered)
            except OSError as error:
                raise InputError(f"{path} cannot be written: {error.strerror}") from error
        self.dropped_samples = 0
        self.error: str | None = None
        self._sample_rate = sample_rate
        self._samples = 0
        self._max_samples = round(max_seconds * sample_rate)
        self._owed_samples = 0
        self._queue: queue.Queue[tuple[int, bytes] | None] = queue.Queue(_QUEUE_BLOCKS)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"wav {path.name}", daemon=True)
        self._thread.start()

    @property
    def path(self) -> Path:
        """The file's name; of a numbered one the final name once there are samples."""
        return self._path if self._pending is None else self._pending.path

    @property
    def samples(self) -> int:
        """Length of the file so far, with what is queued and the silence for what was dropped."""
        return self._samples

    @property
    def backlog(self) -> float:
        """How full the queue is, 0 to 1; 0 of a named pipe, for which nobody should wait."""
        return self._queue.qsize() / _QUEUE_BLOCKS if self._pending is not None else 0.0

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
        if self._pending is not None:
            self._queue.put(None)
            self._thread.join()
            return
        with suppress(queue.Full):
            self._queue.put(None, timeout=_READER_S)
        self._thread.join(_READER_S)
        if self._thread.is_alive():
            self.error = f"{self._path} cannot be written: nobody reads from it"

    def _run(self) -> None:
        items = iter(self._queue.get, None)
        try:
            with self._stream() as stream:
                self._write_all(stream, items)
        except OSError as error:
            self.error = f"{self._path} cannot be written: {error.strerror}"
            _log.warning("%s", self.error)
            for _ in items:  # close() must find the queue moving
                pass

    @contextmanager
    def _stream(self) -> Iterator[BinaryIO]:
        if self._pending is None:
            with self._path.open("wb", buffering=0) as stream:  # waits for who reads a pipe
                yield stream
            return
        try:
            yield self._pending.stream
            self._pending.stream.flush()
        finally:
            self._pending.discard()

    def _write_all(self, stream: BinaryIO, items: Iterator[tuple[int, bytes] | None]) -> None:
        written, unsettled = 0, 0
        for item in items:
            assert item is not None
            silence, block = item
            if not written:
                stream.write(wav_header(self._sample_rate))
            for start in range(0, silence, _SETTLE_SAMPLES):
                stream.write(bytes(2 * min(_SETTLE_SAMPLES, silence - start)))
            stream.write(block)
            samples = silence + len(block) // 2
            is_first, written, unsettled = not written, written + samples, unsettled + samples
            if is_first or unsettled >= _SETTLE_SAMPLES:
                self._settle(stream, written)
                unsettled = 0
            if is_first and self._pending is not None:
                self._pending.place()
                stream = self._pending.stream
                _lock(stream)
        if written:
            self._settle(stream, written)

    def _settle(self, stream: BinaryIO, samples: int) -> None:
        """Bring the header up to date."""
        if self._pending is not None:
            end = stream.tell()
            stream.seek(0)
            stream.write(wav_header(self._sample_rate, samples))
            stream.seek(end)
            stream.flush()


def _lock(stream: BinaryIO) -> None:
    """Say to other calls that this file is being written."""
    if os.name == "posix":
        import fcntl

        with suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _require_unlocked(path: Path) -> None:
    if os.name != "posix":
        return
    import fcntl

    with suppress(OSError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{path} is being written by another call, expected another name"
            ) from error
