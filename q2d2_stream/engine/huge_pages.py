"""Weights on large pages, where Linux gives them on request.

A frame at the top rate reads some 10 MB of weights, both ways. On pages of 4 kB that is 2,500
addresses, more than the processor keeps beside all others, and in a virtual machine each that it
forgot is looked up twice: 5 % of a frame's time.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["huge_pages"]

_PAGE = 2 << 20
_ADVICE = (14, 25)  # MADV_HUGEPAGE, and MADV_COLLAPSE for what is there already (Linux 6.1)


@contextlib.contextmanager
def huge_pages() -> Iterator[None]:
    """Ask for large pages under what is added to the heap within. Without them, or without Linux,
    all works as well, only slower."""
    before = _heap()
    yield
    after = _heap()
    if before is None or after is None or after[1] <= before[1]:
        return
    start = max(-(-after[0] // _PAGE) * _PAGE, before[1] // _PAGE * _PAGE)
    end = after[1] // _PAGE * _PAGE
    with contextlib.suppress(OSError, AttributeError):
        madvise = ctypes.CDLL(None).madvise
        for advice in _ADVICE if end > start else ():
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), advice)


def _heap() -> tuple[int, int] | None:
    """Where the heap begins and ends."""
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/maps").read_text().splitlines()
        parts = [line.split(maxsplit=1)[0].split("-") for line in lines if line.endswith("[heap]")]
        if parts:
            return int(parts[0][0], 16), int(parts[-1][1], 16)
    return None
