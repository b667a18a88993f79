"""The jitter buffer: any order, duplicates, wrap-around, bounded, every frame accounted for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.errors import InputError
from q2d2_stream.playout.buffer import JitterBuffer, Unwrapper

INDICES = np.zeros(6, np.uint8)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(-(2**31), 2**31 - 1), max_size=50))
def test_unwrapper_follows_any_step(start: int, steps: list[int]) -> None:
    unwrapper = Unwrapper()
    origin = at = unwrapper.unwrap(start)
    total = 0
    for step in steps:
        total += step
        at = unwrapper.unwrap((start + total) % 2**32)
        assert at - origin == total
    assert at % 2**32 == (start + total) % 2**32


@pytest.mark.parametrize("value", [-1, 2**32])
def test_unwrapper_refuses_other_widths(value: int) -> None:
    with pytest.raises(InputError, match="32-bit"):
        Unwrapper().unwrap(value)


@given(st.permutations(range(20)), st.lists(st.integers(0, 19), max_size=10))
def test_any_order_comes_out_in_order_once(order: list[int], again: list[int]) -> None:
    buffer = JitterBuffer()
    for seq in order + again:
        buffer.put(seq, seq, INDICES, 0.0)
    buffer.advance(0)
    taken = []
    while buffer.peek() is not None:
        taken.append(buffer.take().seq)
    assert taken == list(range(20))
    assert buffer.counts.duplicate == len(again)
    for seq in again:
        buffer.put(seq, seq, INDICES, 0.0)
    assert buffer.counts.duplicate == 2 * len(again)
    assert buffer.counts.late == 0


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(0, 60)),
            st.tuples(st.just("advance"), st.integers(0, 70)),
            st.tuples(st.just("take"), st.just(0)),
            st.tuples(st.just("clear"), st.just(0)),
        ),
        max_size=200,
    )
)
def test_bounded_and_every_frame_is_accounted_for(actions: list[tuple[str, int]]) -> None:
    buffer = JitterBuffer(8)
    for action, number in actions:
        before = buffer.next_seq
        if action == "put":
            buffer.put(number, number, INDICES, 0.0)
        elif action == "advance":
            buffer.advance(number)
        elif action == "clear":
            buffer.clear()
        elif buffer.peek() is not None:
            assert buffer.take().seq == before
        counts = buffer.counts
        assert len(buffer) <= 8
        assert counts.received == len(buffer) + (
            counts.taken + counts.late + counts.duplicate + counts.overflow + counts.skipped
        )
        if action != "clear" and before is not None:
            assert buffer.next_seq is not None
            assert buffer.next_seq >= before
        first = buffer.first()
        assert (first is None) == (len(buffer) == 0)
        assert buffer.span_frames >= len(buffer)


def test_causes_of_drops() -> None:
    buffer = JitterBuffer(4)
    for seq in (0, 1, 3):
        assert buffer.put(seq, seq, INDICES, 0.0)
    buffer.advance(0)
    buffer.take()
    buffer.advance(3)  # 1 is here and skipped, 2 is missing
    assert not buffer.put(2, 2, INDICES, 0.0)
    assert not buffer.put(0, 0, INDICES, 0.0)
    for seq in (4, 5, 6, 8):
        buffer.put(seq, seq, INDICES, 0.0)
    counts = buffer.counts
    assert (counts.taken, counts.skipped, counts.missing) == (1, 1, 1)
    assert (counts.late, counts.duplicate, counts.overflow) == (1, 1, 1)
    assert buffer.next_seq == 4


def test_capacity_must_hold_something() -> None:
    with pytest.raises(InputError, match="capacity is 0"):
        JitterBuffer(0)


def test_a_copy_gives_way_to_the_frame_and_stands_in_for_a_lost_one() -> None:
    buffer = JitterBuffer()
    full, low = np.zeros(6, np.uint8), np.ones(3, np.uint8)
    assert buffer.put(10, 10, full, 0.0)
    assert not buffer.put(10, 10, low, 0.0, is_copy=True), "the frame is here"
    assert buffer.put(11, 11, low, 0.0, is_copy=True)
    assert buffer.put(12, 12, low, 0.0, is_copy=True)
    assert not buffer.put(12, 12, low, 0.0, is_copy=True), "one copy will do"
    assert buffer.put(11, 11, full, 0.1), "late, but better"
    buffer.advance(10)
    taken = [buffer.take() for _ in range(3)]
    assert [len(frame.indices) for frame in taken] == [6, 6, 3]
    assert not buffer.put(11, 11, low, 0.2, is_copy=True), "its turn is over"
    assert not buffer.put(12, 12, full, 0.2)
    counts = buffer.counts
    assert (counts.received, counts.copied, counts.repaired) == (3, 1, 1)
    assert (counts.taken, counts.duplicate, counts.missing) == (3, 1, 0)
