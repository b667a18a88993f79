"""Files that a program writes: whole, or not there at all, and never over something better.

Everything is written to a temporary file of its own beside the target and put in place when there
is something to keep. Until then whatever had the name before is untouched, and two programs that
write to one name do not mix: the last to finish wins, whole.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import stat
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

from q2d2_stream.errors import InputError

__all__ = ["PendingFile", "SoundTarget", "is_special", "open_output"]

SoundTarget: TypeAlias = str | os.PathLike[str] | BinaryIO
"""A file's path, "-" for standard output, or a file object in binary mode."""

_SYSTEM_FOLDERS = ("/dev/", "/proc/")  # their files are no files, and nothing is put beside them


class PendingFile:
    """A file that does not have its name yet.

    Symbolic links are followed; the mode of the file that will be replaced is kept, and its owner
    where the system allows that.

    Args:
        path: the name that it will have.
        numbered: never replace anything: ``x.wav`` becomes ``x-2.wav`` where there is one.

    Attributes:
        stream: to write to, and to read from; stays open and valid when the file gets its name.
        path: the name that it will have or, once :meth:`place` was called, has.

    Raises:
        OSError: the file cannot be created.
    """

    def __init__(self, path: str | os.PathLike[str], numbered: bool = False) -> None:
        self.path = Path(path)
        self._target = Path(os.path.realpath(path))
        self._numbered = numbered
        if self._target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        name = f".{self._target.name[:64]}.{secrets.token_hex(4)}.part"
        self._part: Path | None = self._target.with_name(name)
        # Ctrl-C may come before whoever made this object is ready to discard it.
        self._removal = weakref.finalize(self, self._part.unlink, missing_ok=True)
        try:
            self.stream: BinaryIO = self._part.open("x+b")
        except OSError as error:
            raise type(error)(error.errno, error.strerror, str(path)) from error
        _take_after(self.stream.fileno(), self._target)

    @property
    def is_placed(self) -> bool:
        """Whether it has its name."""
        return self._part is None

    def place(self) -> None:
        """Give the file its name; a second call does nothing. Raises OSError."""
        if self._part is None:
            return
        if os.name == "nt":  # which renames no open files
            position = self.stream.tell()
            self.stream.close()
        target = self._free_name() if self._numbered else self._target
        os.replace(self._part, target)
        self._removal.detach()
        if self._numbered:
            self.path = target
        if os.name == "nt":
            self.stream = target.open("r+b")
            self.stream.seek(position)
        self._part = None

    def discard(self) -> None:
        """Close the file; it goes, unless it has its name."""
        # Closing flushes, and what cannot be written any more is not missed.
        with suppress(OSError):
            self.stream.close()
        self._removal()
        self._part = None

    def _free_name(self) -> Path:
        """The first of ``x.wav``, ``x-2.wav``, ... that nobody has, claimed with an empty file."""
        number = 1
        while True:
            end = "" if number == 1 else f"-{number}"
            name = self._target.with_name(f"{self._target.stem}{end}{self._target.suffix}")
            with suppress(FileExistsError):
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                return name
            number += 1


def _take_after(descriptor: int, target: Path) -> None:
    """Take over mode and owner of ``target``, where there is one."""
    if os.name == "nt" or not target.exists():
        return
    status = target.stat()
    with suppress(OSError):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))


def is_special(path: str | os.PathLike[str]) -> bool:
    """Whether it is a device, a named pipe or the like, to which one can only write straight."""
    if os.path.abspath(path).startswith(_SYSTEM_FOLDERS):
        return True
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextmanager
def open_output(target: SoundTarget) -> Iterator[BinaryIO]:
    """Open ``target`` for writing; a file has its name when the block ends without an error.

    Devices and named pipes are written to straight; a file object is left open.

    Raises:
        InputError: ``target`` is "-" and standard output is closed or a terminal.
        OSError: the file cannot be written; the error names it.
    """
    if not isinstance(target, str | os.PathLike):
        if not hasattr(target, "write") or isinstance(target, io.TextIOBase):
            raise InputError(
                f"the output is {type(target).__name__}, expected a path or a file object in "
                "binary mode"
            )
        yield target
        return
    if os.fspath(target) == "-":
        if sys.stdout is None:
            raise InputError("standard output is closed, expected a pipe or a file")
        if sys.stdout.isatty():
            raise InputError("standard output is a terminal, expected a pipe or a file: add | or >")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with _naming(target):
        if is_special(target):
            with open(target, "wb") as stream:
                yield stream
            return
        pending = PendingFile(target)
        try:
            yield pending.stream
            pending.stream.flush()
            pending.place()
        finally:
            pending.discard()


@contextmanager
def _naming(target: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of writing do not say where: a full disk, a limit of the file's size."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise type(error)(error.errno, error.strerror, os.fspath(target)) from error
