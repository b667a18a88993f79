"""Sound files of any format, rate and number of channels, read in pieces, damaged ones included."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import soundfile
from numpy.typing import NDArray

from q2d2_stream.audio.resample import StreamResampler
from q2d2_stream.errors import InputError
from q2d2_stream.files.damage import DamageLog
from q2d2_stream.files.mixdown import Mixdown
from q2d2_stream.files.sample_check import SampleCheck
from q2d2_stream.files.sound_bytes import SoundBytes, sound_bytes

__all__ = ["SoundReader", "SoundSource", "open_binary", "open_sound", "source_name"]

SoundSource: TypeAlias = str | os.PathLike[str] | BinaryIO
"""A file's path, "-" for standard input, or a file object in binary mode."""

_BLOCK_S = 0.25
_BLOCK_VALUES = 1 << 18  # samples of all channels at once: bounds memory for odd headers
_SMALLEST_FRAMES = 256
_FEWEST_FRAMES = 64  # of a block, where there are hardly any samples to a second
_RECOVERIES = 50  # more holes than that are a file that is no sound
_CHECKED_S = 600.0
_LONGEST_S = 1e8  # three years: what a header says beyond that, it does not know


class SoundReader:
    """Iterates over a sound as mono pcm of one sample rate, about a quarter second at a time.

    What is damaged is silence of the same length where that is known, what breaks off ends there,
    and either is told in :attr:`warnings`.

    Attributes:
        name: what to call it in a sentence: its path, or "standard input".
        seconds: length of the sound, or None where it is not known beforehand.
        can_restart: whether it can be iterated over again.
    """

    def __init__(self, sound: SoundBytes, sample_rate: int) -> None:
        self.name = sound.name
        self.can_restart = sound.can_reopen
        self._sound = sound
        self._sample_rate = sample_rate
        self._file: soundfile.SoundFile | None = self._open()
        self._file_rate: int = self._file.samplerate
        self._channels: int = self._file.channels
        self._is_float = self._file.subtype in ("FLOAT", "DOUBLE")
        frames = self._file.frames
        self._is_known = sound.can_seek and 0 <= frames < _LONGEST_S * self._file_rate
        self._frames = frames if self._is_known else 0
        self.seconds = sound.seconds
        if self.seconds is None and self._is_known:
            self.seconds = frames / self._file_rate
        self._read_frames = 0
        self._damage = DamageLog()
        self._check: SampleCheck | None = None
        self._mixdown: Mixdown | None = None

    @property
    def position_s(self) -> float:
        """How much of the file has been read, in seconds."""
        return self._read_frames / self._file_rate

    @property
    def warnings(self) -> list[str]:
        """What was wrong with the file, a sentence each; all of them after the last block."""
        found = self._damage.sentences()
        if self._check is not None:
            found += self._check.warnings()
        if self._mixdown is not None and self._mixdown.turned:
            channels = ", ".join(map(str, sorted(self._mixdown.turned)))
            found.append(
                f"{self.name} has channels that cancel each other: channel {channels} was inverted"
            )
        return found

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Mono samples ``(n,)``, -1 to 1; see :meth:`read`."""
        return self.read()

    def read(self, loop: bool = False) -> Iterator[NDArray[np.float32]]:
        """Mono samples ``(n,)``, -1 to 1.

        Args:
            loop: begin again at the end, without a seam, where that can be.

        Raises:
            InputError: a sample is far beyond full scale.
            OSError: the system cannot read on.
        """
        self._check = SampleCheck(self.name, self._file_rate)
        self._mixdown = Mixdown(self._channels, self._file_rate)
        resampler = StreamResampler(self._file_rate, self._sample_rate, "file")
        while True:
            for block in self._blocks():
                pcm = self._mixdown.push(self._check.push(block))
                # A resampler overshoots at full scale, and float files may hold more than 1.
                yield np.clip(resampler.push(pcm), -1.0, 1.0)
            if not (loop and self.can_restart and self._read_frames):
                break
        yield np.clip(resampler.push(np.zeros(0, np.float32), last=True), -1.0, 1.0)

    def check(self) -> list[str]:
        """Look through the first ten minutes of a file of floating-point numbers, which can be
        anything, before they are used: the warnings. Raises as :meth:`read` does."""
        if not (self._is_float and self.can_restart):
            return []
        check = SampleCheck(self.name, self._file_rate)
        for block in self._blocks():
            check.push(block)
            if self.position_s > _CHECKED_S:
                break
        return check.warnings()

    def _open(self) -> soundfile.SoundFile:
        try:
            return self._sound.open()
        except soundfile.LibsndfileError as error:
            reason = error.error_string.rstrip(".")
            if "possibly a pipe" in reason:  # what it says of an MP3 without a whole frame
                reason = "its header is damaged"
            self._raise_error()
            raise InputError(
                f"{self.name} cannot be read as sound ({reason}), expected a wav, flac or ogg file"
            ) from error

    def _blocks(self) -> Iterator[NDArray[np.float32]]:
        """Shape ``(n, channels)``, from the beginning of the file to its end."""
        file, self._file = self._file or self._open(), None
        self._damage = DamageLog()
        length = max(_FEWEST_FRAMES, round(_BLOCK_S * self._file_rate))
        length = min(length, _BLOCK_VALUES // self._channels)
        wanted = length
        recoveries, is_broken_off = 0, False
        self._read_frames = 0
        try:
            while True:
                block = _read(file, wanted)
                self._raise_error()
                if block is not None:
                    if not len(block):
                        break
                    self._read_frames += len(block)
                    yield block
                    continue
                file.close()
                if not self._sound.can_seek or recoveries >= _RECOVERIES:
                    is_broken_off = True
                    break
                file = self._at(self._read_frames)
                if wanted > _SMALLEST_FRAMES:  # what is whole of this block
                    wanted = max(_SMALLEST_FRAMES, wanted // 4)
                    continue
                recoveries += 1
                wanted = length
                following = self._next_readable(self._read_frames)
                if following is None:
                    is_broken_off = True
                    break
                yield from self._hole(following - self._read_frames, length)
                file.close()
                file = self._at(following)
        finally:
            file.close()
        self._finish(is_broken_off)

    def _raise_error(self) -> None:
        try:
            self._sound.raise_error()
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.name) from error

    def _hole(self, frames: int, length: int) -> Iterator[NDArray[np.float32]]:
        self._damage.add(
            f"{self.name} is damaged at {self.position_s:.2f} s: "
            f"{frames / self._file_rate:.2f} s of it became silence"
        )
        self._read_frames += frames
        while frames:
            count = min(frames, length)
            yield np.zeros((count, self._channels), np.float32)
            frames -= count

    def _at(self, frame: int) -> soundfile.SoundFile:
        """The file, opened anew at a frame; where that cannot be, reading from it fails."""
        file = self._open()
        try:
            file.seek(frame)
        except (soundfile.LibsndfileError, RuntimeError):
            file.close()
        return file

    def _next_readable(self, damaged: int) -> int | None:
        """The first frame after ``damaged`` from which sound can be read again."""
        bad, step = damaged, 2 * _SMALLEST_FRAMES
        while (good := damaged + step) < self._frames:
            if self._is_readable(good):
                break
            bad, step = good, 2 * step
        else:
            return None
        while good - bad > _SMALLEST_FRAMES:
            middle = (good + bad) // 2
            if self._is_readable(middle):
                good = middle
            else:
                bad = middle
        return good

    def _is_readable(self, frame: int) -> bool:
        with self._at(frame) as file:
            block = _read(file, _SMALLEST_FRAMES)
        return block is not None and len(block) > 0

    def _finish(self, is_broken_off: bool) -> None:
        """Note what the end of the file says about the whole of it."""
        for sentence in self._sound.damage():
            self._damage.add(sentence)
        expected_s = self._sound.expected_s(self.position_s)
        if self._is_known and self._read_frames < self._frames:
            expected_s = max(expected_s or 0.0, self._frames / self._file_rate)
        elif is_broken_off and expected_s is None:
            expected_s = self.position_s
        if expected_s is not None:
            of = f" of {expected_s:.2f} s" if expected_s > self.position_s else ""
            self._damage.add(
                f"{self.name} breaks off after {self.position_s:.2f} s{of}: the rest is missing"
            )


def _read(file: soundfile.SoundFile, frames: int) -> NDArray[np.float32] | None:
    """Shape ``(n, channels)``, empty at the end, None where the file is damaged."""
    try:
        block: NDArray[np.float32] = file.read(frames, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, ValueError):
        return None
    return block


@contextmanager
def open_sound(source: SoundSource, sample_rate: int) -> Iterator[SoundReader]:
    """Open a sound of any format that libsndfile reads: wav, flac, ogg, opus, mp3, aiff and more.

    Pipes, FIFOs and process substitutions do as well. Wav and Ogg are taken from them as they
    come; anything else is first copied to a temporary file.

    Args:
        source: see :data:`SoundSource`; a file object is left open.
        sample_rate: samples per second that the reader gives.

    Raises:
        InputError: it is no sound, or there is no standard input.
        OSError: it cannot be read.
    """
    with ExitStack() as stack:
        stream = stack.enter_context(open_binary(source))
        sound = stack.enter_context(sound_bytes(stream, source_name(source)))
        yield SoundReader(sound, sample_rate)


def source_name(source: SoundSource) -> str:
    """What to call it in a sentence."""
    if isinstance(source, str | os.PathLike):
        return "standard input" if os.fspath(source) == "-" else os.fspath(source)
    return str(getattr(source, "name", "") or "the input")


@contextmanager
def open_binary(source: SoundSource) -> Iterator[BinaryIO]:
    """The bytes of a file, of standard input, or of a file object, which is left open.

    Raises:
        InputError: standard input is closed or a terminal, or the path is a folder's.
        OSError: the file cannot be opened.
    """
    if not isinstance(source, str | os.PathLike):
        if not hasattr(source, "read") or isinstance(source, io.TextIOBase):
            raise InputError(
                f"the input is {type(source).__name__}, expected a path or a file object in binary "
                "mode"
            )
        yield source
        return
    if os.fspath(source) == "-":
        yield _standard_input()
        return
    path = Path(source)
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected a file")
    # Unbuffered: libsndfile asks for much at once, and a thread that waits in a buffered reader
    # when Python ends would abort the process.
    with path.open("rb", buffering=0) as file:
        yield file


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise InputError("there is no input: standard input is closed, expected a pipe or a file")
    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError):
        return sys.stdin.buffer  # replaced by an object of a test or of a notebook
    if os.isatty(descriptor):
        raise InputError("standard input is a terminal, expected a pipe or a file: add | or <")
    return io.FileIO(descriptor, closefd=False)
