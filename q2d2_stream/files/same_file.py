"""One name for what is read and what is written: found out before anything is written."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping

from q2d2_stream.errors import InputError

__all__ = ["require_distinct"]


def require_distinct(inputs: Mapping[str, object], outputs: Mapping[str, object]) -> None:
    """Raise InputError where an output is one of the inputs, or of the other outputs.

    Links, hard links and names that differ in case alone on a file system that does not care are
    the same file. Devices, pipes and file objects never are.

    Args:
        inputs, outputs: paths by what a user calls them ("--input"); "-" is the standard stream,
            and None and whatever is no path are left out.
    """
    for output, target in outputs.items():
        if not isinstance(target, str | os.PathLike) or os.fspath(target) == "-":
            continue
        for what, source in inputs.items():
            if _is_same(source, target):
                raise InputError(
                    f"{output} is the same file as {what} ({os.fspath(target)}): "
                    "expected another name, nothing was written"
                )
        real = _real(target)
        for other, path in outputs.items():
            if other == output:
                break
            if _is_same(path, target) or (real is not None and _real(path) == real):
                raise InputError(
                    f"{output} is the same file as {other} ({os.fspath(target)}): "
                    "expected another name, nothing was written"
                )


def _is_same(source: object, target: str | os.PathLike[str]) -> bool:
    one, other = _status(source), _status(target)
    return (
        one is not None
        and other is not None
        and stat.S_ISREG(one.st_mode)
        and os.path.samestat(one, other)
    )


def _status(path: object) -> os.stat_result | None:
    try:
        if isinstance(path, str | os.PathLike):
            if os.fspath(path) == "-":
                return os.fstat(sys.stdin.fileno()) if sys.stdin is not None else None
            return os.stat(path)
    except (OSError, ValueError):
        pass
    return None


def _real(path: object) -> str | None:
    if not isinstance(path, str | os.PathLike) or os.fspath(path) == "-":
        return None
    status = _status(path)
    if status is not None and not stat.S_ISREG(status.st_mode):
        return None
    return os.path.normcase(os.path.realpath(path))
