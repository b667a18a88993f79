"""Whether the codec keeps up with the sound."""

from __future__ import annotations

from collections import deque

__all__ = ["LoadWatch"]

_WINDOW_S = 5.0
_OVERLOAD = 0.97
_RECOVERED = 0.85


class LoadWatch:
    """Watches how much of the time the codec's thread is busy; ``now`` in seconds.

    Encoding and decoding share one thread. When that is busy all the time, frames come faster
    than they are worked off: the process is slower than real time.

    Attributes:
        share: of the last five seconds, 0 to 1.
        is_overloaded: whether the thread cannot keep up.
    """

    def __init__(self) -> None:
        self.share = 0.0
        self.is_overloaded = False
        self._seen: deque[tuple[float, float]] = deque()

    def update(self, busy_s: float, now: float) -> bool:
        """``busy_s`` seconds of work were done up to ``now``; whether overload is news."""
        self._seen.append((now, busy_s))
        while len(self._seen) > 1 and now - self._seen[1][0] >= _WINDOW_S:
            self._seen.popleft()
        began, before_s = self._seen[0]
        if now - began < _WINDOW_S:
            return False
        self.share = (busy_s - before_s) / (now - began)
        was_overloaded = self.is_overloaded
        self.is_overloaded = self.share >= (_RECOVERED if was_overloaded else _OVERLOAD)
        return self.is_overloaded and not was_overloaded
