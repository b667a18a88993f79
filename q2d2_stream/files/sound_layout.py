"""Where the samples of an uncompressed sound file begin, and how many bytes its header promises.

Programs that write to a pipe, are killed, or hold more than 32 bits can count leave sizes of zero,
of all ones or of 2^31 and more behind. libsndfile refuses some of those files and reads others as
empty, so the header that it gets is made anew here: with the size that the file really has.

Layouts: WAV and RIFX (Multimedia Programming Interface 1.0), RF64 and BW64 (ITU-R BS.2088), AIFF
and AIFC (Apple 1989), W64 (Sony), CAF (Apple) and AU (NeXT).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ENDLESS_BYTES", "Layout", "read_layout"]

ENDLESS_BYTES = 1 << 40
"""Stands for the length of a pipe: 66 days of CD sound."""
_PREFIX_BYTES = 1 << 24  # a header with pictures in it has less; more is not mended
_CHUNK_BYTES = 1 << 16  # of the chunks that a WAV's sound needs
_PIECE_BYTES = 1 << 16
_UNKNOWN_FROM = 0x7FFFF000  # what sox, ffmpeg and arecord write into a pipe is this or more

_W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
_W64_DATA = b"data" + bytes.fromhex("f3acd3118cd100c04f8edb8a")

Read = Callable[[int], bytes]


@dataclass(frozen=True)
class Layout:
    """A header, taken apart.

    Attributes:
        kind: "wav", "aiff", "w64", "caf" or "au".
        offset: of the first byte of sound in the file.
        declared: bytes of sound that the header promises; None where it does not know.
        head, tail: the header around the field of the size.
        size_format: of that field, for :mod:`struct`.
        size_extra: what the field counts beside the sound.
        is_zero: the header says that there is none: true, or never filled in.
    """

    kind: str
    offset: int
    declared: int | None
    head: bytes
    tail: bytes
    size_format: str
    size_extra: int = 0
    is_zero: bool = False

    def prefix(self, length: int | None) -> bytes:
        """The header of a file with ``length`` bytes of sound; None: as many as there come."""
        largest = (1 << 8 * struct.calcsize(self.size_format)) - 1
        size = ENDLESS_BYTES if length is None else length + self.size_extra
        if size >= largest and self.head.startswith(b"RIFF"):
            sizes = struct.pack("<4sIQQQI", b"ds64", 28, size + len(self.head) + 36, size, 0, 0)
            head = b"RF64" + self.head[4:12] + sizes + self.head[12:]
        else:
            head = self.head
        return head + struct.pack(self.size_format, min(size, largest)) + self.tail


class _Recorder:
    """Reads forward and keeps what it has read."""

    def __init__(self, read: Read) -> None:
        self._read, self.data = read, bytearray()
        self.position = 0

    def take(self, count: int, keep: bool = True) -> bytes:
        """Exactly ``count`` bytes; raises EOFError when there are fewer or too many to keep."""
        if keep and len(self.data) + count > _PREFIX_BYTES:
            raise EOFError
        data = self._read(count)
        while len(data) < count:
            more = self._read(count - len(data))
            if not more:
                raise EOFError
            data += more
        self.position += count
        if keep:
            self.data += data
        return data

    def skip(self, count: int, keep: bool = True) -> None:
        if keep:
            self.take(count)
            return
        while count:
            count -= len(self.take(min(count, _PIECE_BYTES), keep=False))


def read_layout(read: Read) -> Layout | None:
    """Read a header up to the first byte of sound.

    Args:
        read: gives up to n bytes of the file from its beginning on, fewer only at its end.

    Returns:
        None for formats that are not listed above, and for headers that end too early or have no
        sound: libsndfile says what it thinks of those.
    """
    recorder = _Recorder(read)
    try:
        start = recorder.take(4)
        parse = _PARSERS.get(start)
        return parse(recorder) if parse is not None else None
    except EOFError:
        return None


def _wav(recorder: _Recorder) -> Layout | None:
    magic = bytes(recorder.data)
    end = ">" if magic == b"RIFX" else "<"
    recorder.take(4)
    if recorder.take(4) != b"WAVE":
        return None
    kept = b""
    wide: int | None = None
    name_and_size = recorder.take(8, keep=False)
    while name_and_size[:4] != b"data":
        name, size = name_and_size[:4], struct.unpack(end + "I", name_and_size[4:])[0]
        if name in (b"fmt ", b"fact", b"ds64") and size <= _CHUNK_BYTES:
            body = recorder.take(size, keep=False)
            if name == b"ds64" and size >= 16:
                wide = struct.unpack_from("<Q", body, 8)[0]
            elif name != b"ds64":
                kept += name_and_size + body + bytes(size % 2)
        else:
            recorder.skip(size, keep=False)
        name_and_size = _after_padding(recorder) if size % 2 else recorder.take(8, keep=False)
    size = struct.unpack(end + "I", name_and_size[4:])[0]
    if size == 0xFFFFFFFF and wide is not None:
        declared = wide or None
    else:
        declared = size if 0 < size < _UNKNOWN_FROM else None
    first = b"RIFX" if magic == b"RIFX" else b"RIFF"
    # All ones where the size of all is asked for: every reader goes by the size of the sound.
    head = first + b"\xff\xff\xff\xff" + b"WAVE" + kept + b"data"
    return Layout("wav", recorder.position, declared, head, b"", end + "I", is_zero=not size)


def _after_padding(recorder: _Recorder) -> bytes:
    """The header of the chunk behind one of odd length, whose padding byte some programs forget."""
    first = recorder.take(8, keep=False)
    if first[0] and all(32 <= byte < 127 for byte in first[:4]):
        return first
    return first[1:] + recorder.take(1, keep=False)


def _aiff(recorder: _Recorder) -> Layout | None:
    recorder.take(4)
    if recorder.take(4) not in (b"AIFF", b"AIFC"):
        return None
    while recorder.take(4) != b"SSND":
        size = struct.unpack(">I", recorder.take(4))[0]
        recorder.skip(size + size % 2)
    size, skipped, _ = struct.unpack(">III", recorder.take(12))
    recorder.skip(skipped)
    extra = 8 + skipped
    declared = size - extra if extra < size < _UNKNOWN_FROM else None
    return _of("aiff", recorder, declared, 12 + skipped, ">I", extra)


def _w64(recorder: _Recorder) -> Layout | None:
    if bytes(recorder.data) + recorder.take(12) != _W64_RIFF:
        return None
    recorder.take(24)  # size, and the GUID of "wave"
    while recorder.take(16) != _W64_DATA:
        size = struct.unpack("<Q", recorder.take(8))[0]
        if size < 24:
            return None
        recorder.skip((size - 24 + 7) // 8 * 8)
    size = struct.unpack("<Q", recorder.take(8))[0]
    declared = size - 24 if 24 < size < 1 << 62 else None
    return _of("w64", recorder, declared, 8, "<Q", 24)


def _caf(recorder: _Recorder) -> Layout | None:
    recorder.take(4)
    while recorder.take(4) != b"data":
        size = struct.unpack(">Q", recorder.take(8))[0]
        recorder.skip(size)
    size = struct.unpack(">Q", recorder.take(8))[0]
    recorder.take(4)  # the number of edits, which the size counts
    declared = size - 4 if 4 < size < 1 << 62 else None
    return _of("caf", recorder, declared, 12, ">Q", 4)


def _au(recorder: _Recorder) -> Layout | None:
    offset, size = struct.unpack(">II", recorder.take(8))
    if offset < 24:
        return None
    recorder.take(offset - 12)
    declared = size if 0 < size < _UNKNOWN_FROM else None
    return _of("au", recorder, declared, offset - 8, ">I")


def _of(
    kind: str,
    recorder: _Recorder,
    declared: int | None,
    back: int,
    size_format: str,
    size_extra: int = 0,
) -> Layout:
    """The layout of a header whose size field begins ``back`` bytes before the sound."""
    data = bytes(recorder.data)
    at = len(data) - back
    tail = data[at + struct.calcsize(size_format) :]
    return Layout(kind, len(data), declared, data[:at], tail, size_format, size_extra)


_PARSERS: dict[bytes, Callable[[_Recorder], Layout | None]] = {
    b"RIFF": _wav,
    b"RIFX": _wav,
    b"RF64": _wav,
    b"BW64": _wav,
    b"FORM": _aiff,
    b"riff": _w64,
    b"caff": _caf,
    b".snd": _au,
}
