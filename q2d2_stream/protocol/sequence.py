"""Sequence numbers modulo 2**32, and the window that finds duplicates among them."""

from __future__ import annotations

from enum import Enum

__all__ = ["MAX_AHEAD_FRAMES", "WINDOW_FRAMES", "SequenceWindow", "Verdict", "add", "distance"]

WINDOW_FRAMES = 2048
# Frames that a sender may drop in a row: six minutes at 75 per second.
MAX_AHEAD_FRAMES = 27_000


def add(sequence: int, frames: int) -> int:
    """``sequence + frames`` modulo 2**32."""
    return (sequence + frames) & 0xFFFFFFFF


def distance(first: int, last: int) -> int:
    """How far ``last`` is after ``first``, -2**31 to 2**31 - 1."""
    return ((last - first + 0x80000000) & 0xFFFFFFFF) - 0x80000000


class Verdict(Enum):
    """What the window says of some frames."""

    NEW = "new"
    DUPLICATE = "duplicate"
    OUT_OF_WINDOW = "out of window"


class SequenceWindow:
    """Remembers which of the last 2048 frames came, as IPsec's replay window (RFC 4303) does."""

    def __init__(self) -> None:
        self._highest: int | None = None
        self._seen = 0  # bit i: frame highest - i came

    @property
    def highest(self) -> int | None:
        """Highest sequence number received, or expected just before the first; None at first."""
        return self._highest

    def restart(self, sequence: int) -> None:
        """Forget everything; the next frame will be about ``sequence``."""
        self._highest = add(sequence, -1)
        self._seen = 0

    def is_near(self, sequence: int) -> bool:
        """Whether ``sequence`` could be the next frame of the same sender."""
        if self._highest is None:
            return False
        return -WINDOW_FRAMES < distance(self._highest, sequence) <= MAX_AHEAD_FRAMES

    def accept(self, sequence: int, frames: int) -> Verdict:
        """Judge ``frames`` (1 or more) frames from ``sequence``, and remember them when new."""
        if self._highest is None:
            self._highest = add(sequence, -1)
        if not (self.is_near(sequence) and self.is_near(add(sequence, frames - 1))):
            return Verdict.OUT_OF_WINDOW
        ahead = max(0, distance(self._highest, add(sequence, frames - 1)))
        # past the window's length every bit has left it; a longer shift would only cost memory
        seen = self._seen << ahead if ahead < WINDOW_FRAMES else 0
        highest = add(self._highest, ahead)
        block = (1 << frames) - 1 << distance(add(sequence, frames - 1), highest)
        if seen & block:
            return Verdict.DUPLICATE
        self._highest = highest
        self._seen = (seen | block) & ((1 << WINDOW_FRAMES) - 1)
        return Verdict.NEW
