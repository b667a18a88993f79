"""The jitter buffer: received frames by sequence number, bounded, every drop counted by cause.

Sequence numbers on the wire are 32 bits wide and wrap; inside, :class:`Unwrapper` turns them into
plain integers that only grow, so that the rest of the room never thinks about wrapping.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.errors import InputError

__all__ = ["BufferCounts", "Frame", "JitterBuffer", "Unwrapper"]

_MODULUS = 1 << 32
_MEMORY = 1024  # how many taken frames are remembered, to tell a duplicate from a late frame


class Unwrapper:
    """Extends a wrapping 32-bit counter to an integer of any size.

    The nearest value to the last one is taken, so steps of up to 2**31 either way are followed.
    """

    def __init__(self) -> None:
        self._last: int | None = None

    def peek(self, value: int) -> int:
        """What :meth:`unwrap` would return for ``value`` (0 to 2**32 - 1), without moving on.

        Raises InputError for a value that does not fit in 32 bits.
        """
        if not 0 <= value < _MODULUS:
            raise InputError(f"a 32-bit counter is {value}, expected 0 to {_MODULUS - 1}")
        if self._last is None:
            # One lap up, so that frames from just before the first one are not negative.
            return value + _MODULUS
        half = _MODULUS // 2
        return self._last + (value - self._last + half) % _MODULUS - half

    def unwrap(self, value: int) -> int:
        """The unwrapped counter for ``value``, which becomes the new point of reference."""
        self._last = self.peek(value)
        return self._last


@dataclass(frozen=True, slots=True)
class Frame:
    """One received frame.

    Attributes:
        seq: unwrapped sequence number; consecutive for the frames that were sent.
        timestamp_frames: unwrapped sender time in frames; jumps over pauses that were not sent.
        indices: uint8, shape ``(pairs,)``.
        arrival: when it came, in seconds.
        end: whether it is the last frame of a talk spurt.
        dtx: whether it is a keep-alive inside a pause, which is not played.
        is_copy: whether it is of a lower rate, and gives way to the frame itself.
    """

    seq: int
    timestamp_frames: int
    indices: NDArray[np.uint8]
    arrival: float
    end: bool = False
    dtx: bool = False
    is_copy: bool = False


@dataclass(slots=True)
class BufferCounts:
    """What became of every frame: received and copied are the drops, the taken and the held.

    Attributes:
        received: frames that were put.
        taken: handed out to be played.
        late: came after their turn had passed.
        duplicate: were here already.
        overflow: dropped, oldest first, because the buffer was full.
        skipped: dropped to shorten the delay after a stall.
        missing: sequence numbers that were passed over and never came in time (not in the sum).
        copied: copies that stand in for frames which have not come.
        repaired: copies that were taken, as the frame itself never came (among the taken).
    """

    received: int = 0
    taken: int = 0
    late: int = 0
    duplicate: int = 0
    overflow: int = 0
    skipped: int = 0
    missing: int = 0
    copied: int = 0
    repaired: int = 0


class JitterBuffer:
    """Frames in waiting, keyed by unwrapped sequence number.

    Args:
        capacity: most frames held; when one more comes, the oldest is dropped.

    Raises:
        InputError: for a capacity below 1.
    """

    def __init__(self, capacity: int = 256) -> None:
        if capacity < 1:
            raise InputError(f"the jitter buffer's capacity is {capacity}, expected at least 1")
        self.capacity = capacity
        self.counts = BufferCounts()
        self._frames: dict[int, Frame] = {}
        self._taken = [-1] * _MEMORY
        self._next_seq: int | None = None
        self._newest: int = -1

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def next_seq(self) -> int | None:
        """The sequence number whose turn it is; None until playing begins."""
        return self._next_seq

    @property
    def span_frames(self) -> int:
        """Frames from the next one to the newest one received, with the gaps between them."""
        if not self._frames:
            return 0
        start = min(self._frames) if self._next_seq is None else self._next_seq
        return self._newest - start + 1

    def put(
        self,
        seq: int,
        timestamp_frames: int,
        indices: NDArray[np.uint8],
        now: float,
        end: bool = False,
        dtx: bool = False,
        is_copy: bool = False,
    ) -> bool:
        """Stores one frame, in any order; False if it was dropped on the spot (counted).

        Args:
            seq: unwrapped sequence number.
            timestamp_frames: unwrapped sender time in frames.
            indices: uint8, shape ``(pairs,)``.
            now: arrival time in seconds.
            end: last frame of a talk spurt.
            dtx: keep-alive inside a pause.
            is_copy: of a lower rate; nothing where the frame or its turn was here, and not counted.
        """
        held = self._frames.get(seq)
        is_over = self._taken[seq % _MEMORY] == seq
        if is_copy:
            if held is not None or is_over or self._is_past(seq):
                return False
            self.counts.copied += 1
        else:
            self.counts.received += 1
            if held is not None and held.is_copy:
                self.counts.copied -= 1  # as if it had never come
                del self._frames[seq]
            elif held is not None or is_over:
                self.counts.duplicate += 1
                return False
        if self._is_past(seq):
            self.counts.late += 1
            return False
        full = len(self._frames) >= self.capacity
        if full and seq < min(self._frames):
            self.counts.overflow += 1  # it is itself the oldest
            return False
        if full:
            oldest = min(self._frames)
            del self._frames[oldest]
            self.counts.overflow += 1
            if self._next_seq is not None:
                self.counts.missing += oldest - self._next_seq
                self._next_seq = oldest + 1
        self._frames[seq] = Frame(seq, timestamp_frames, indices, now, end, dtx, is_copy)
        self._newest = max(self._newest, seq)
        return True

    def _is_past(self, seq: int) -> bool:
        return self._next_seq is not None and seq < self._next_seq

    def peek(self, ahead: int = 0) -> Frame | None:
        """The frame ``ahead`` places after the next one, or None where it is not here."""
        return None if self._next_seq is None else self._frames.get(self._next_seq + ahead)

    def first(self) -> Frame | None:
        """The oldest frame held, or None when the buffer is empty."""
        frame = self.peek()
        if frame is not None or not self._frames:
            return frame
        return self._frames[min(self._frames)]

    def take(self) -> Frame:
        """Removes and returns the next frame, which must be here (:meth:`peek` says so)."""
        assert self._next_seq is not None
        frame = self._frames.pop(self._next_seq)
        self._taken[frame.seq % _MEMORY] = frame.seq
        self._next_seq += 1
        self.counts.taken += 1
        self.counts.repaired += frame.is_copy
        return frame

    def advance(self, seq: int) -> None:
        """Makes ``seq`` the next one: what is held before it is skipped, the rest missing."""
        if self._next_seq is None:
            self._next_seq = min((seq, *self._frames))
        if seq <= self._next_seq:
            return
        passed = [held for held in self._frames if held < seq]
        for held in passed:
            del self._frames[held]
        self.counts.skipped += len(passed)
        self.counts.missing += seq - self._next_seq - len(passed)
        self._next_seq = seq

    def clear(self) -> None:
        """Forgets the stream, for a sender that starts anew; what is held counts as skipped."""
        self.counts.skipped += len(self._frames)
        self._frames.clear()
        self._taken = [-1] * _MEMORY
        self._next_seq = None
        self._newest = -1
