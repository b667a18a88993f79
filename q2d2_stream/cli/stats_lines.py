"""``--stats-json``: a call's numbers as lines of JSON, which never cost the call anything."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from q2d2_stream.errors import InputError
from q2d2_stream.files.output import PendingFile, is_special

if TYPE_CHECKING:
    from q2d2_stream.call import CallStats

__all__ = ["StatsLines"]


class StatsLines:
    """Writes lines until one cannot be written: a full disk, a closed pipe. That is told once.

    A file gets its name with the first line of a call that came about: an earlier one survives
    until then.

    Args:
        path: a file, "-" for standard output, None to write nothing.
        notify: told in a sentence when no more can be written.

    Raises:
        InputError: there is no standard output, or nobody reads from a named pipe.
        OSError: the file cannot be created.
    """

    def __init__(self, path: str | None, notify: Callable[[str], None]) -> None:
        self._path = path
        self._notify = notify
        self._pending: PendingFile | None = None
        self._stream: BinaryIO | None = None
        if path is None:
            return
        if path == "-":
            if sys.stdout is None:
                raise InputError("--stats-json - has no standard output, expected a file's name")
            self._stream = sys.stdout.buffer
        elif is_special(path):
            self._stream = _open_special(path)
        else:
            self._pending = PendingFile(path)
            self._stream = self._pending.stream

    def write(self, stats: CallStats) -> None:
        """Append a line; does nothing after :meth:`close` or when writing has failed."""
        if self._stream is None:
            return
        try:
            self._stream.write(json.dumps(stats.to_dict()).encode() + b"\n")
            self._stream.flush()
            if self._pending is not None and stats.connections:
                self._pending.place()
                self._stream = self._pending.stream
        except OSError as error:
            self._notify(f"no more statistics: {self._path} cannot be written ({error.strerror})")
            self.close()

    def close(self) -> None:
        """End; a second call does nothing."""
        stream, self._stream = self._stream, None
        if self._pending is not None:
            self._pending.discard()
        elif stream is not None and self._path != "-":
            with suppress(OSError):  # told already
                stream.close()


def _open_special(path: str) -> BinaryIO:
    """Open without waiting: a named pipe may have nobody who reads it, for ever."""
    try:
        descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise InputError(
                f"nobody reads from the named pipe {path}: start that first"
            ) from error
        raise
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "wb")
