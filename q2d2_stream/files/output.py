"""Files that a command writes: complete or not there at all, and '-' for standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from q2d2_stream.errors import InputError

__all__ = ["open_output"]


@contextmanager
def open_output(path: str) -> Iterator[BinaryIO]:
    """Open ``path`` for writing; a file appears under its name when the block ends without error.

    Devices and named pipes are written to directly.

    Raises:
        InputError: ``path`` is "-" and standard output is a terminal.
        OSError: the file cannot be written.
    """
    if path == "-":
        if sys.stdout.isatty():
            raise InputError("standard output is a terminal, expected a pipe or a file: add | or >")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    if target.exists() and not target.is_file():
        with target.open("wb") as stream:
            yield stream
        return
    part = target.with_name(target.name + ".part")
    try:
        with part.open("w+b") as stream:
            yield stream
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
