"""Sound files that are written in pieces: wav, flac and ogg."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from q2d2_stream.audio.pcm import pcm_to_int16
from q2d2_stream.errors import InputError
from q2d2_stream.files.output import SoundTarget, is_special, open_output
from q2d2_stream.files.wav_header import wav_header

__all__ = ["SOUND_FORMATS", "SoundWriter", "sound_output"]

_LIBSNDFILE = {"flac": ("FLAC", "PCM_16"), "ogg": ("OGG", "VORBIS")}
SOUND_FORMATS = ("wav", *_LIBSNDFILE)


class SoundWriter(ABC):
    """What :func:`sound_output` gives."""

    @abstractmethod
    def write(self, pcm: NDArray[np.float32]) -> None:
        """Append mono samples ``(n,)``. Raises OSError."""

    @abstractmethod
    def finish(self) -> None:
        """Complete the file. Raises OSError."""


class _Wav(SoundWriter):
    def __init__(self, stream: BinaryIO, sample_rate: int) -> None:
        self._stream, self._sample_rate, self._samples = stream, sample_rate, 0
        stream.write(wav_header(sample_rate))

    def write(self, pcm: NDArray[np.float32]) -> None:
        self._stream.write(pcm_to_int16(pcm))
        self._samples += len(pcm)
        if not self._stream.seekable():
            self._stream.flush()

    def finish(self) -> None:
        if self._stream.seekable():
            end = self._stream.tell()
            self._stream.seek(0)
            self._stream.write(wav_header(self._sample_rate, self._samples))
            self._stream.seek(end)


class _Guarded(io.RawIOBase):
    """A file that libsndfile writes to through callbacks, in which an exception would be lost."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.error: BaseException | None = None

    def write(self, data: bytes) -> int:  # type: ignore[override]
        try:
            return self._stream.write(data)
        except BaseException as error:  # a Ctrl-C, too
            self.error = self.error or error
            return 0

    def read(self, count: int = -1) -> bytes:
        return self._stream.read(count)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._stream.seek(offset, whence)
        except BaseException as error:  # of what was buffered
            self.error = self.error or error
            return 0

    def tell(self) -> int:
        return self._stream.tell()

    def flush(self) -> None:
        """Left to the owner of the stream."""


class _Libsndfile(SoundWriter):
    def __init__(self, stream: BinaryIO, sample_rate: int, kind: str) -> None:
        self._guarded = _Guarded(stream)
        name, subtype = _LIBSNDFILE[kind]
        with self._errors():
            self._file = soundfile.SoundFile(
                self._guarded, "w", sample_rate, channels=1, format=name, subtype=subtype
            )

    def write(self, pcm: NDArray[np.float32]) -> None:
        with self._errors():
            self._file.write(pcm)

    def finish(self) -> None:
        with self._errors():
            self._file.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise what the stream met in place of what libsndfile makes of it."""
        try:
            yield
        except (AssertionError, RuntimeError):
            if self._guarded.error is None:
                raise
        if self._guarded.error is not None:
            raise self._guarded.error


@contextmanager
def sound_output(
    target: SoundTarget, sample_rate: int, file_format: str | None = None
) -> Iterator[SoundWriter]:
    """Open a wav (16 bits), flac (16 bits) or ogg (Vorbis) file for writing.

    Args:
        target: a path, "-" for standard output, or a file object.
        sample_rate: samples per second.
        file_format: one of SOUND_FORMATS; None: by the name's ending, wav for pipes.

    Raises:
        InputError: another kind of file, or standard output is a terminal or closed.
        OSError: it cannot be written.
    """
    kind = file_format or _format_of(target)
    if kind not in SOUND_FORMATS:
        raise InputError(f"the format is {kind!r}, expected one of {', '.join(SOUND_FORMATS)}")
    with open_output(target) as stream:
        if kind == "wav":
            wav = _Wav(stream, sample_rate)
            yield wav
            wav.finish()
        elif stream.seekable():
            yield from _written(stream, sample_rate, kind)
        else:  # libsndfile goes back to fill in the header
            with tempfile.TemporaryFile() as spool:
                yield from _written(spool, sample_rate, kind)
                spool.seek(0)
                shutil.copyfileobj(spool, stream)


def _written(stream: BinaryIO, sample_rate: int, kind: str) -> Iterator[SoundWriter]:
    file = _Libsndfile(stream, sample_rate, kind)
    try:
        yield file
    except BaseException:
        with suppress(OSError, RuntimeError):
            file.finish()
        raise
    file.finish()


def _format_of(target: SoundTarget) -> str:
    if not isinstance(target, str | os.PathLike) or os.fspath(target) == "-":
        return "wav"
    kind = Path(target).suffix.lower().removeprefix(".")
    if kind in SOUND_FORMATS:
        return kind
    if is_special(target):
        return "wav"
    raise InputError(
        f"{os.fspath(target)} has no known ending, expected one of "
        f"{', '.join('.' + name for name in SOUND_FORMATS)}, or - for a pipe"
    )
