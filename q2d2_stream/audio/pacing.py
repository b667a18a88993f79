"""Real time for sources and sinks that have no clock of their own."""

from __future__ import annotations

import asyncio

__all__ = ["Pacer"]


class Pacer:
    """Returns from `tick` once per period, without drift, on the event loop's clock.

    A task that comes late catches up, as it would with a sound card's buffer, unless it is more
    than ``max_lag_s`` late (a suspended machine): then it starts anew instead of a burst.

    Args:
        period_s: seconds between ticks; 0 never waits, but still lets other tasks run.
        max_lag_s: lateness in seconds from which on the missed ticks are skipped.
    """

    def __init__(self, period_s: float, max_lag_s: float = 1.0) -> None:
        self._period_s = period_s
        self._max_lag_s = max_lag_s
        self._due: float | None = None

    async def tick(self) -> None:
        """Wait until the next period begins; the first call returns at once."""
        now = asyncio.get_running_loop().time()
        if self._due is None or now - self._due > self._max_lag_s:
            self._due = now
        await asyncio.sleep(max(0.0, self._due - now))
        self._due += self._period_s
