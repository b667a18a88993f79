"""Sequence numbers and the window of those received."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.protocol.sequence import (
    MAX_AHEAD_FRAMES,
    WINDOW_FRAMES,
    SequenceWindow,
    Verdict,
    add,
    distance,
)


@given(st.integers(0, 2**32 - 1), st.integers(-(2**31), 2**31 - 1))
def test_distance_inverts_add(sequence: int, step: int) -> None:
    assert distance(sequence, add(sequence, step)) == step


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.integers(-50, 60), st.integers(1, 8)), max_size=80),
)
def test_no_frame_is_accepted_twice(first: int, steps: list[tuple[int, int]]) -> None:
    window = SequenceWindow()
    window.restart(first)
    seen: set[int] = set()
    at = first
    for step, frames in steps:
        at = add(at, step)
        block = {add(at, i) for i in range(frames)}
        verdict = window.accept(at, frames)
        assert (verdict is Verdict.NEW) == (not block & seen)
        seen |= block if verdict is Verdict.NEW else set()


def test_the_window_has_edges() -> None:
    window = SequenceWindow()
    assert not window.is_near(0)
    assert window.accept(5, 1) is Verdict.NEW
    assert window.accept(add(5, 1 - WINDOW_FRAMES), 1) is Verdict.NEW
    assert window.accept(add(5, -WINDOW_FRAMES), 1) is Verdict.OUT_OF_WINDOW
    assert window.accept(add(5, MAX_AHEAD_FRAMES + 1), 1) is Verdict.OUT_OF_WINDOW
    assert window.accept(add(5, MAX_AHEAD_FRAMES), 1) is Verdict.NEW
    assert window.highest == 5 + MAX_AHEAD_FRAMES
    assert window.accept(5, 1) is Verdict.OUT_OF_WINDOW
    assert window.accept(add(5, MAX_AHEAD_FRAMES - 9), 8) is Verdict.NEW
