"""Sound files of any rate and number of channels, read and written in pieces."""

from __future__ import annotations

import os
import shutil
import struct
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from q2d2_stream.audio.resample import StreamResampler, to_mono
from q2d2_stream.audio.wav import pcm_to_int16
from q2d2_stream.errors import InputError
from q2d2_stream.files.output import open_output

__all__ = ["SoundReader", "SoundWriter", "open_sound", "sound_output"]

_FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
_PIPED = (b"RIFF", b"OggS")  # what libsndfile reads from a pipe; flac it must be able to seek in


class SoundReader:
    """Iterates over a sound as mono pcm of one sample rate, about a quarter second at a time.

    Attributes:
        seconds: length of the sound, or None where it is not known beforehand.
    """

    def __init__(self, file: soundfile.SoundFile, sample_rate: int) -> None:
        self._file = file
        self._resampler = StreamResampler(file.samplerate, sample_rate, "file")
        self.seconds = file.frames / file.samplerate if file.seekable() else None

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        length = max(1, self._file.samplerate // 4)
        last = False
        while not last:
            block = self._file.read(length, dtype="float32", always_2d=True)
            last = len(block) == 0
            # A resampler overshoots at full scale, and float files may hold more than 1.
            yield np.clip(self._resampler.push(to_mono(block), last=last), -1.0, 1.0)


@contextmanager
def open_sound(path: str, sample_rate: int, stdin: BinaryIO | None = None) -> Iterator[SoundReader]:
    """Open a file that libsndfile reads (wav, flac, ogg and more), or "-" for standard input.

    Wav and ogg are taken from a pipe as they come; anything else is first copied to a temporary
    file.

    Args:
        path: the file, or "-".
        sample_rate: samples per second that the reader gives.
        stdin: read in place of standard input.

    Raises:
        InputError: it is not a sound file.
        OSError: it cannot be read.
    """
    with ExitStack() as stack:
        source: BinaryIO | int
        if path == "-":
            source = stack.enter_context(_seekable_or_pipe(stdin or sys.stdin.buffer))
        else:
            source = stack.enter_context(Path(path).open("rb"))
        try:
            file = stack.enter_context(soundfile.SoundFile(source))
        except soundfile.LibsndfileError as error:
            name = "standard input" if path == "-" else path
            reason = error.error_string.rstrip(".")
            raise InputError(
                f"{name} cannot be read as sound ({reason}), expected a wav, flac or ogg file"
            ) from error
        yield SoundReader(file, sample_rate)


@contextmanager
def _seekable_or_pipe(stream: BinaryIO) -> Iterator[BinaryIO | int]:
    if stream.seekable():
        yield stream
        return
    start = stream.read(4)
    if start not in _PIPED:
        with tempfile.TemporaryFile() as spool:
            spool.write(start)
            shutil.copyfileobj(stream, spool)
            spool.seek(0)
            yield spool
        return
    # The four bytes are gone from the pipe, so libsndfile gets one that begins with them.
    reading, writing = os.pipe()
    threading.Thread(target=_pump, args=(start, stream, writing), daemon=True).start()
    yield reading  # libsndfile closes it


def _pump(start: bytes, stream: BinaryIO, descriptor: int) -> None:
    with suppress(BrokenPipeError), os.fdopen(descriptor, "wb", buffering=0) as out:
        out.write(start)
        while piece := stream.read(4096):
            out.write(piece)


class SoundWriter(Protocol):
    """What :func:`sound_output` gives."""

    def write(self, pcm: NDArray[np.float32]) -> None:
        """Append mono pcm of shape ``(n,)``."""


class _File:
    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file

    def write(self, pcm: NDArray[np.float32]) -> None:
        self._file.write(pcm)


class _Pipe:
    """Wav whose length is not known: its size fields are all ones, as ffmpeg and sox read them."""

    def __init__(self, stream: BinaryIO, sample_rate: int) -> None:
        self._stream = stream
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
        ones = b"\xff\xff\xff\xff"
        stream.write(b"RIFF" + ones + b"WAVE" + form + b"data" + ones)

    def write(self, pcm: NDArray[np.float32]) -> None:
        self._stream.write(pcm_to_int16(pcm))
        self._stream.flush()


@contextmanager
def sound_output(path: str, sample_rate: int) -> Iterator[SoundWriter]:
    """Open a wav, flac (16 bits) or ogg (Vorbis) file for writing, or "-": wav on standard output.

    Raises:
        InputError: another kind of file, or standard output is a terminal.
        OSError: it cannot be written.
    """
    if path == "-":
        with open_output(path) as stream:
            yield _Pipe(stream, sample_rate)
        return
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise InputError(
            f"{path} has no known ending, expected one of {', '.join(_FORMATS)} or - for a pipe"
        )
    kind, subtype = _FORMATS[suffix]
    with (
        open_output(path) as stream,
        soundfile.SoundFile(
            stream, "w", sample_rate, channels=1, format=kind, subtype=subtype
        ) as file,
    ):
        yield _File(file)
