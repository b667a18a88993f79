"""Who of a room is forwarded: at most so many at once, chosen by who talks.

    A  V V V V . . . . . . . . . . . .      V: voice, .: sends, but no voice
    B  . . . . . V V V V V V V V . . .
    C  . . . . . . . V . . . . V V V V      with one place: A, from its silence + hold on B, then C

A talker keeps the place for a while after its last voiced message, so that pauses for breath do
not cost it, and whoever comes later waits for the first place that is free.
"""

from __future__ import annotations

__all__ = ["SpeakerSelector"]

_HOLD_S = 1.2
_GONE_S = 5.0  # a place whose holder sends nothing at all is free for anybody


class SpeakerSelector:
    """Decides for every audio message whether it is forwarded; ``now`` in seconds.

    Args:
        places: how many may talk at once.
        hold_s: how long a place is kept after the last voiced message.
    """

    def __init__(self, places: int, hold_s: float = _HOLD_S) -> None:
        self._places, self._hold_s = places, hold_s
        self._voiced_at: dict[int, float] = {}  # of those who have a place
        self._heard_at: dict[int, float] = {}

    @property
    def speakers(self) -> frozenset[int]:
        """Who has a place."""
        return frozenset(self._voiced_at)

    def forwards(self, member: int, voiced: bool, now: float) -> bool:
        """Whether a message of ``member`` is forwarded."""
        if member in self._voiced_at:
            self._heard_at[member] = now
            if voiced:
                self._voiced_at[member] = now
            return True
        if len(self._voiced_at) >= self._places:
            loser = self._who_makes_room(voiced, now)
            if loser is None:
                return False
            self.remove(loser)
        # Where there is a place, silence is forwarded too: a room of two is never cut.
        self._voiced_at[member] = now if voiced else now - self._hold_s
        self._heard_at[member] = now
        return True

    def remove(self, member: int) -> None:
        """Forget a member."""
        self._voiced_at.pop(member, None)
        self._heard_at.pop(member, None)

    def _who_makes_room(self, voiced: bool, now: float) -> int | None:
        oldest = min(self._voiced_at, key=lambda each: self._voiced_at[each])
        silent = now - self._voiced_at[oldest] >= self._hold_s
        if voiced and silent:
            return oldest
        quiet = min(self._heard_at, key=lambda each: self._heard_at[each])
        return quiet if now - self._heard_at[quiet] >= _GONE_S else None
