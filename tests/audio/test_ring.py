from __future__ import annotations

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.audio.fifo import Fifo
from q2d2_stream.audio.ring import RingBuffer


def column(start: int, count: int) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.float32)[:, None]


@given(st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), max_size=40))
def test_overwriting_ring_keeps_the_newest_and_counts_the_rest(
    steps: list[tuple[int, int]],
) -> None:
    ring = RingBuffer(10)
    written = 0
    expected = 0  # the number of the next sample to be read
    for write, read in steps:
        ring.write(column(written, write))
        written += write
        expected = max(expected, written - 10)
        assert len(ring) == written - expected
        out = np.empty((read, 1), np.float32)
        count = ring.read_into(out)
        assert count == min(read, written - expected)
        np.testing.assert_array_equal(out[:count], column(expected, count))
        expected += count
    out = ring.read()
    assert len(out) == written - expected
    assert len(ring) == 0


def test_lost_samples_are_those_that_were_overwritten() -> None:
    ring = RingBuffer(10)
    ring.write(column(0, 37))
    np.testing.assert_array_equal(ring.read(), column(27, 10))
    assert ring.lost_samples == 27


@given(st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), max_size=40))
def test_offer_never_overwrites(steps: list[tuple[int, int]]) -> None:
    ring = RingBuffer(10)
    written = read = 0
    for write, want in steps:
        taken = ring.offer(column(written, write))
        assert taken == min(write, 10 - (written - read))
        written += taken
        out = np.empty((want, 1), np.float32)
        count = ring.read_into(out)
        np.testing.assert_array_equal(out[:count], column(read, count))
        read += count
    assert ring.lost_samples == 0


def test_a_reader_never_sees_samples_that_are_being_overwritten() -> None:
    """With two threads: whatever is read is a run of consecutive samples."""
    ring = RingBuffer(4096, 2)
    total = 600_000

    def produce() -> None:
        for start in range(0, total, 1500):
            block = np.arange(start, start + 1500, dtype=np.float32)
            ring.write(np.stack((block, block), 1))

    producer = threading.Thread(target=produce)
    producer.start()
    seen = 0
    next_at_least = 0.0
    while producer.is_alive() or len(ring):
        block = ring.read()
        if len(block):
            assert block[0, 0] >= next_at_least
            np.testing.assert_array_equal(np.diff(block[:, 0]), 1.0)
            np.testing.assert_array_equal(block[:, 0], block[:, 1])
            next_at_least = float(block[-1, 0]) + 1
            seen += len(block)
    producer.join()
    assert seen + ring.lost_samples == total


@given(st.lists(st.integers(0, 700), max_size=20), st.integers(1, 400))
def test_fifo_only_changes_block_lengths(pushes: list[int], block: int) -> None:
    fifo = Fifo(3)
    said = [np.zeros(3, np.float32)]
    heard = []
    for number, samples in enumerate([0, *pushes]):
        said.append(np.full(samples, number, np.float32))
        fifo.push(said[-1])
        while (out := fifo.pop(block)) is not None:
            assert len(out) == block
            heard.append(out)
    whole = np.concatenate(said)
    heard_whole = np.concatenate(heard) if heard else np.zeros(0)
    np.testing.assert_array_equal(heard_whole, whole[: len(heard_whole)])
    assert len(fifo) == len(whole) - len(heard_whole) < block
