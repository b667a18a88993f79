"""Large pages are asked for under what was added to the heap, rounded to whole ones within it."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from q2d2_stream.engine import huge_pages as module

MB = 1 << 20


def asked(
    monkeypatch: pytest.MonkeyPatch, *heaps: tuple[int, int] | None
) -> list[tuple[int, int, int]]:
    """What the system is asked for while the heap grows like this: start, bytes, advice."""
    calls: list[tuple[int, int, int]] = []

    def madvise(start: Any, size: Any, advice: int) -> None:
        calls.append((start.value, size.value, advice))

    states = iter(heaps)
    monkeypatch.setattr(module, "_heap", lambda: next(states))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(madvise=madvise))
    with module.huge_pages():
        pass
    return calls


@pytest.mark.parametrize(
    ("before", "after", "start", "end"),
    [
        ((9 * MB, 13 * MB), (9 * MB, 21 * MB), 12 * MB, 20 * MB),
        ((9 * MB, 9 * MB + 4096), (9 * MB, 15 * MB), 10 * MB, 14 * MB),  # not before the heap
    ],
)
def test_added_memory_is_told(
    monkeypatch: pytest.MonkeyPatch,
    before: tuple[int, int],
    after: tuple[int, int],
    start: int,
    end: int,
) -> None:
    told = asked(monkeypatch, before, after)
    assert [call[:2] for call in told] == [(start, end - start)] * 2


@pytest.mark.parametrize(
    "heaps",
    [
        (None, None),
        ((9 * MB, 13 * MB), None),
        ((9 * MB, 13 * MB), (9 * MB, 13 * MB)),
        ((9 * MB, 9 * MB + 4096), (9 * MB, 11 * MB)),  # no whole page
    ],
)
def test_nothing_added_is_nothing_asked(
    monkeypatch: pytest.MonkeyPatch, heaps: tuple[tuple[int, int] | None, ...]
) -> None:
    assert asked(monkeypatch, *heaps) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of its heap")
def test_the_heap_is_found() -> None:
    """The break, where the system's allocator ends."""
    libc = ctypes.CDLL(None)
    libc.sbrk.restype = ctypes.c_void_p
    heap = module._heap()
    assert heap is not None
    assert heap[1] - 4096 < libc.sbrk(0) <= heap[1]
