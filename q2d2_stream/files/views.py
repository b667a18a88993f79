"""A header of our own in front of somebody else's sound, for libsndfile to read as one file."""

from __future__ import annotations

import io
from typing import BinaryIO

__all__ = ["FileView", "StreamView"]

_HISTORY_BYTES = 1 << 18  # libsndfile goes back within one block of ADPCM, of at most 64 kB


class _View(io.RawIOBase):
    def __init__(self, prefix: bytes, length: int) -> None:
        self._prefix = prefix
        self._end = len(prefix) + length
        self._at = 0
        self._error: BaseException | None = None

    def raise_error(self) -> None:
        """Raise what reading met, a Ctrl-C included: libsndfile calls :meth:`readinto` back, and
        an exception that leaves that is lost."""
        if self._error is not None:
            raise self._error

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The position in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; nothing is read for that."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer`` as far as there are bytes; fewer mean the end."""
        with memoryview(buffer) as view:
            wanted = min(len(view), max(0, self._end - self._at))
            done = 0
            while done < wanted:
                try:
                    data = self._bytes(self._at, wanted - done)
                except BaseException as error:
                    self._error = error
                    break
                if not data:
                    break
                view[done : done + len(data)] = data
                done += len(data)
                self._at += len(data)
        return done

    def _bytes(self, at: int, count: int) -> bytes:
        inside = at - len(self._prefix)
        if inside < 0:
            return self._prefix[at : at + count]
        return self._sound(inside, count)

    def _sound(self, at: int, count: int) -> bytes:
        raise NotImplementedError


class FileView(_View):
    """``prefix``, then ``length`` bytes of ``file`` from ``offset`` on."""

    def __init__(self, prefix: bytes, file: BinaryIO, offset: int, length: int) -> None:
        super().__init__(prefix, length)
        self._file = file
        self._offset = offset

    def _sound(self, at: int, count: int) -> bytes:
        self._file.seek(self._offset + at)
        return self._file.read(count)


class StreamView(_View):
    """``prefix``, then what comes from ``stream``, up to ``length`` bytes.

    Only the last quarter megabyte can be read again.

    Attributes:
        received: bytes that have come from the stream.
    """

    def __init__(self, prefix: bytes, stream: BinaryIO, length: int) -> None:
        super().__init__(prefix, length)
        self.received = 0
        self._stream = stream
        self._history = bytearray()

    def _sound(self, at: int, count: int) -> bytes:
        if at > self.received:
            return b""  # libsndfile looks for chunks behind the sound: there are none
        if at < self.received:
            first = self.received - len(self._history)
            return bytes(self._history[at - first : at - first + count]) if at >= first else b""
        data = self._stream.read(count)
        self.received += len(data)
        self._history += data
        del self._history[:-_HISTORY_BYTES]
        return data

    def is_whole(self) -> bool:
        """Whether all the bytes that were promised have come; reads those that were not asked for,
        which are less than a sample of all channels."""
        self.seek(len(self._prefix) + self.received)
        while data := self._bytes(self._at, min(_HISTORY_BYTES, self._end - self._at)):
            self._at += len(data)
        return self._at >= self._end
