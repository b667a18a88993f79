"""The bytes of a sound file as libsndfile can read them, and what they lack."""

from __future__ import annotations

import mmap
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO

import soundfile

from q2d2_stream.errors import InputError
from q2d2_stream.files.mp3 import Mp3Scan, scan_mp3
from q2d2_stream.files.ogg import OggScanner
from q2d2_stream.files.sound_layout import ENDLESS_BYTES, Layout, read_layout
from q2d2_stream.files.views import FileView, StreamView

__all__ = ["SoundBytes", "sound_bytes"]

_MAGIC_BYTES = 12
_PIECE_BYTES = 4096
_COPY_BYTES = 1 << 16
_SNIFFED_BYTES = 1 << 20
_LIVE = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_SAMPLE_DUMP = b"\xf0\x7e"  # libsndfile prints its errors to standard output, into what is there
_SPOOLED = (b"fLaC", b"FORM", b"riff", b"caff", b".snd", b"ID3")


class SoundBytes:
    """A sound that can be opened: once, or, where :attr:`can_reopen`, as often as one likes.

    Attributes:
        name: for sentences.
        can_reopen: it can be read from the beginning again.
        can_seek: an opened one can be read from any frame on.
        seconds: its length, where the container tells it without decoding.
    """

    can_reopen = True
    can_seek = True
    seconds: float | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    def open(self) -> soundfile.SoundFile:
        """From the beginning. Raises LibsndfileError when it is no sound."""
        raise NotImplementedError

    def raise_error(self) -> None:
        """Raise what reading met, if anything: libsndfile takes it for the end."""

    def damage(self) -> list[str]:
        """What is damaged within, a sentence each; call it after the end."""
        return []

    def expected_s(self, read_s: float) -> float | None:
        """How long it should be when it breaks off after ``read_s`` seconds, else None."""
        return None


class _Whole(SoundBytes):
    """A regular file that libsndfile reads as it is."""

    def __init__(self, name: str, file: BinaryIO, begin: int, length: int) -> None:
        super().__init__(name)
        self._file, self._begin, self._length = file, begin, length
        self._view = FileView(b"", file, begin, length)

    def open(self) -> soundfile.SoundFile:
        self._view = FileView(b"", self._file, self._begin, self._length)
        return soundfile.SoundFile(self._view)

    def raise_error(self) -> None:
        self._view.raise_error()


class _Mended(SoundBytes):
    """A regular file whose header is made anew."""

    def __init__(
        self, name: str, file: BinaryIO, begin: int, layout: Layout, available: int
    ) -> None:
        super().__init__(name)
        declared = layout.declared
        self._length = available if declared is None else min(declared, available)
        self._missing = 0 if declared is None else max(0, declared - available)
        self._file, self._begin, self._layout = file, begin + layout.offset, layout
        self._view = FileView(b"", file, begin, 0)

    def open(self) -> soundfile.SoundFile:
        prefix = self._layout.prefix(self._length)
        self._view = FileView(prefix, self._file, self._begin, self._length)
        return soundfile.SoundFile(self._view)

    def raise_error(self) -> None:
        self._view.raise_error()

    def expected_s(self, read_s: float) -> float | None:
        return _expected_s(read_s, self._length, self._missing)


class _Live(SoundBytes):
    """Wav from a pipe."""

    can_reopen = False
    can_seek = False

    def __init__(self, name: str, stream: BinaryIO, layout: Layout) -> None:
        super().__init__(name)
        self._declared = layout.declared
        length = ENDLESS_BYTES if layout.declared is None else layout.declared
        self._view = StreamView(layout.prefix(layout.declared), stream, length)

    def open(self) -> soundfile.SoundFile:
        return soundfile.SoundFile(self._view)

    def raise_error(self) -> None:
        self._view.raise_error()

    def expected_s(self, read_s: float) -> float | None:
        received = self._view.received
        if self._declared is None or self._view.is_whole():
            return None
        return _expected_s(read_s, received, self._declared - received)


def _expected_s(read_s: float, length: int, missing: int) -> float | None:
    if missing <= 0:
        return None
    return read_s * (length + missing) / length if length else read_s


class _Ogg(SoundBytes):
    """Ogg of a file or a pipe: libsndfile gets it as a pipe, and so reads either alike."""

    can_seek = False

    def __init__(self, name: str, stream: BinaryIO, start: bytes, begin: int | None) -> None:
        """``begin``: where a file begins; None for a pipe from which ``start`` has been read."""
        super().__init__(name)
        self.can_reopen = begin is not None
        self._stream, self._start, self._begin = stream, start, begin
        self._error: OSError | None = None
        self._thread: threading.Thread | None = None
        self._scanner = OggScanner()
        if begin is not None:
            stream.seek(begin)
            while piece := stream.read(_COPY_BYTES):
                self._scanner.feed(piece)
            self._scanner.close()
            self.seconds = self._scanner.end_s

    def open(self) -> soundfile.SoundFile:
        self._join()  # the file that it fed has been closed
        if self._begin is not None:
            self._stream.seek(self._begin)
        reading, writing = os.pipe()
        self._thread = threading.Thread(target=self._pump, args=(writing,), daemon=True)
        self._thread.start()
        return soundfile.SoundFile(reading)  # which closes it, also when it is no sound

    def raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def damage(self) -> list[str]:
        scanner = self._scanner
        if not self.can_reopen:
            self._join()  # it has seen the last page, of which libsndfile has no need
            scanner.close()
        return _places(self.name, scanner.damaged_s, scanner.damages)

    def expected_s(self, read_s: float) -> float | None:
        return read_s if self._scanner.is_cut else None

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _pump(self, descriptor: int) -> None:
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as out:
                piece = self._start
                while piece or (piece := self._stream.read(_PIECE_BYTES)):
                    if not self.can_reopen:
                        self._scanner.feed(piece)
                    out.write(piece)
                    piece = b""
        except BrokenPipeError:
            pass  # nobody reads on
        except OSError as error:
            self._error = error


class _Mp3(_Whole):
    """An MP3 file, whose frames are counted."""

    def __init__(self, name: str, file: BinaryIO, begin: int, length: int) -> None:
        super().__init__(name, file, begin, length)
        self._scan = _scan_mp3(file, begin)

    def damage(self) -> list[str]:
        return _places(self.name, self._scan.damaged_s, self._scan.damages)

    def expected_s(self, read_s: float) -> float | None:
        return max(read_s, self._scan.declared_s or 0.0) if self._scan.is_cut else None


def _scan_mp3(file: BinaryIO, begin: int) -> Mp3Scan:
    try:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return scan_mp3(data, begin)
    except (OSError, AttributeError, ValueError):  # in memory
        file.seek(begin)
        return scan_mp3(file.read())


def _places(name: str, damaged_s: list[float], count: int) -> list[str]:
    if not count:
        return []
    places = ", ".join(f"{second:.2f} s" for second in damaged_s)
    more = f" and {count - len(damaged_s)} more places" if count > len(damaged_s) else ""
    return [f"{name} is damaged at {places}{more}: what was there is missing"]


@contextmanager
def sound_bytes(stream: BinaryIO, name: str) -> Iterator[SoundBytes]:
    """Find out what ``stream`` holds, from its position on, and prepare it for libsndfile.

    Raises:
        InputError: a pipe, with something in it that is no sound.
        OSError: it cannot be read.
    """
    if _is_regular(stream):
        yield _of_file(stream, name, stream.tell())
        return
    start = _read_exactly(stream, _MAGIC_BYTES)
    if start[:4] in _LIVE:
        layout = read_layout(_Prefixed(start, stream).read)
        if layout is None:
            raise _headless(name)
        yield _Live(name, stream, layout)
    elif start.startswith(b"OggS"):
        yield _Ogg(name, stream, start, None)
    else:
        with tempfile.TemporaryFile() as spool:
            _spool(start, stream, spool, name)
            yield _of_file(spool, name, 0)


def _of_file(file: BinaryIO, name: str, begin: int) -> SoundBytes:
    length = file.seek(0, os.SEEK_END) - begin
    file.seek(begin)
    start = _read_exactly(file, _MAGIC_BYTES)
    if start.startswith(_SAMPLE_DUMP):
        raise InputError(f"{name} is a MIDI sample dump, expected a wav, flac or ogg file")
    if start.startswith(b"OggS"):
        return _Ogg(name, file, b"", begin)
    if start.startswith(b"ID3") or (start[:1] == b"\xff" and start[1:2] >= b"\xe0"):
        return _Mp3(name, file, begin, length)
    file.seek(begin)
    layout = read_layout(file.read)
    if layout is None and start[:4] in _LIVE:
        raise _headless(name)
    if layout is not None:
        available = length - layout.offset
        if layout.is_zero and _holds_chunks(file, begin + layout.offset, begin + length):
            available = 0
        is_right = layout.declared is not None and layout.declared <= available
        if layout.kind == "wav" or not is_right:
            return _Mended(name, file, begin, layout, available)
    return _Whole(name, file, begin, length)


def _headless(name: str) -> InputError:
    return InputError(
        f"{name} cannot be read as sound (it ends before its samples begin), "
        "expected a wav, flac or ogg file"
    )


def _holds_chunks(file: BinaryIO, at: int, end: int) -> bool:
    """Whether chunks follow up to the very end: then a sound of size zero is none."""
    while at < end:
        file.seek(at)
        head = _read_exactly(file, 8)
        if len(head) < 8 or not head[:4].isalnum():
            return False
        size = int.from_bytes(head[4:], "little")
        at += 8 + size + size % 2
    return at == end


def _spool(start: bytes, stream: BinaryIO, spool: BinaryIO, name: str) -> None:
    """Copy a pipe to a file; what libsndfile does not know after a megabyte it never will."""
    spool.write(start)
    while spool.tell() < _SNIFFED_BYTES and (piece := stream.read(_COPY_BYTES)):
        spool.write(piece)
    spool.flush()
    if spool.tell() >= _SNIFFED_BYTES:
        spool.seek(0)
        head = BytesIO(spool.read(_SNIFFED_BYTES))
        spool.seek(0, os.SEEK_END)
        if start[:4] not in _SPOOLED:
            try:
                soundfile.SoundFile(head).close()
            except soundfile.LibsndfileError as error:
                raise InputError(
                    f"{name} cannot be read as sound ({error.error_string.rstrip('.')}), "
                    "expected a wav, flac or ogg file"
                ) from error
        shutil.copyfileobj(stream, spool)


class _Prefixed:
    """A stream of which the first bytes have been read."""

    def __init__(self, start: bytes, stream: BinaryIO) -> None:
        self._start, self._stream = start, stream

    def read(self, count: int) -> bytes:
        if self._start:
            data, self._start = self._start[:count], self._start[count:]
            return data
        return self._stream.read(count) or b""


def _read_exactly(stream: BinaryIO, count: int) -> bytes:
    data = b""
    while len(data) < count and (piece := stream.read(count - len(data))):
        data += piece
    return data


def _is_regular(stream: BinaryIO) -> bool:
    """Whether one may go back and forth in it: not in pipes, sockets and devices."""
    if not stream.seekable():
        return False
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, AttributeError):
        return True  # in memory
