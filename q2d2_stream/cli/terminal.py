"""Whether this process may use the terminal, and standard streams that are not there."""

from __future__ import annotations

import os
import sys
from typing import IO

__all__ = ["is_foreground", "mend_streams"]


def mend_streams() -> None:
    """Take care that the standard streams exist, whatever the shell has closed.

    A file that is opened later would otherwise get the number of standard error, and whatever a
    library says there would go into it. ``sys.stdin`` and ``sys.stdout`` stay None where there are
    none: a command that needs them says so.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def is_foreground(stream: IO[str] | None) -> bool:
    """Whether ``stream`` is a terminal that this process may read from and set the modes of.

    A background job that does either is stopped by the system.
    """
    if stream is None or not stream.isatty():
        return False
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except OSError:  # a terminal, but not the one that controls this process
        return True
