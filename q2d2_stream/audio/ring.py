"""The bounded buffer between a sound card's callback thread and the rest of the program."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["RingBuffer"]


class RingBuffer:
    """One writing thread, one reading thread, no locks.

    The callback of a sound card must not wait, so each side only advances its own counter. The
    counters count all samples ever written and read; a sample's place is its number modulo the
    capacity.

    Args:
        capacity: samples per channel it holds.
        channels: columns of its samples.
    """

    def __init__(self, capacity: int, channels: int = 1) -> None:
        self._data = np.zeros((capacity, channels), np.float32)
        self._capacity = capacity
        # `_claimed` runs ahead of `_written` while a block is being copied in: a reader that
        # copies out at the same moment can see that its samples may have been overwritten.
        self._claimed = 0
        self._written = 0
        self._read = 0
        self.lost_samples = 0

    def __len__(self) -> int:
        """Samples per channel that are waiting to be read."""
        return min(self._written - self._read, self._capacity)

    @property
    def capacity(self) -> int:
        """Samples per channel it holds."""
        return self._capacity

    def write(self, block: NDArray[np.float32]) -> None:
        """Append ``block``, shape ``(n, channels)``; when full, the oldest samples give way.

        The reader counts what it lost in ``lost_samples``: old speech is worth less than new.
        """
        skipped = max(0, len(block) - self._capacity)
        start = self._written + skipped
        self._claimed = self._written + len(block)
        place = start % self._capacity
        first = block[skipped : skipped + self._capacity - place]
        rest = block[skipped + len(first) :]
        self._data[place : place + len(first)] = first
        self._data[: len(rest)] = rest
        self._written = self._claimed

    def offer(self, block: NDArray[np.float32]) -> int:
        """Append as much of ``block``, shape ``(n, channels)``, as fits; returns how much did."""
        taken = min(len(block), self._capacity - (self._written - self._read))
        self.write(block[:taken])
        return taken

    def read_into(self, out: NDArray[np.float32]) -> int:
        """Fill the beginning of ``out``, shape ``(n, channels)``; returns how many samples."""
        while True:
            oldest = self._claimed - self._capacity
            if self._read < oldest:
                self.lost_samples += oldest - self._read
                self._read = oldest
            count = max(0, min(len(out), self._written - self._read))
            place = self._read % self._capacity
            first = min(count, self._capacity - place)
            out[:first] = self._data[place : place + first]
            out[first:count] = self._data[: count - first]
            if self._claimed - self._read <= self._capacity:
                self._read += count
                return count

    def read(self) -> NDArray[np.float32]:
        """Everything that is waiting, shape ``(n, channels)``."""
        out = np.empty((len(self), self._data.shape[1]), np.float32)
        return out[: self.read_into(out)]
