"""Counters that travel cut short, and the window that lets each of them pass once."""

from __future__ import annotations

__all__ = ["COUNTER_BITS", "REPLAY_WINDOW", "ReplayWindow", "unwrap"]

COUNTER_BITS = 14
REPLAY_WINDOW = 2048


def unwrap(low: int, near: int) -> int:
    """The counter nearest to ``near`` that ends in the 14 bits ``low``."""
    span = 1 << COUNTER_BITS
    ahead = (low - near) % span
    return near + (ahead if ahead < span // 2 else ahead - span)


class ReplayWindow:
    """Remembers which of the last 2048 counters were seen, as IPsec does (RFC 4303, 3.4.3).

    Args:
        expected: about the first counter that will come.
    """

    def __init__(self, expected: int) -> None:
        self._highest = expected - 1
        self._seen = 0  # bit i: counter highest - i was seen

    @property
    def highest(self) -> int:
        """Highest counter seen; one less than expected before the first."""
        return self._highest

    def is_new(self, counter: int) -> bool:
        """Whether ``counter`` was not seen and is not too old to tell."""
        behind = self._highest - counter
        return behind < 0 or (behind < REPLAY_WINDOW and not self._seen >> behind & 1)

    def add(self, counter: int) -> None:
        """Remember a new counter; only one that was authenticated may move the window."""
        ahead = counter - self._highest
        if ahead > 0:
            kept = self._seen << ahead if ahead < REPLAY_WINDOW else 0
            self._seen = (kept | 1) & ((1 << REPLAY_WINDOW) - 1)
            self._highest = counter
        else:
            self._seen |= 1 << -ahead
