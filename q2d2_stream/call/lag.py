"""How late the event loop is."""

from __future__ import annotations

import asyncio

__all__ = ["LagMeter"]

_PERIOD_S = 0.01
_BIN_S = 0.0005
_BINS = 1000


class LagMeter:
    """Asks to be called every 10 ms and notes how late that happens.

    Lateness is what others did to the loop: its own callbacks, and other programs on the cores.
    """

    def __init__(self) -> None:
        self._counts = [0] * _BINS
        self._worst_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure on the running loop."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(loop.time() + _PERIOD_S, self._tick, loop.time() + _PERIOD_S)

    def stop(self) -> None:
        """Stop measuring; the figures stay."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        lag_s = loop.time() - due
        self._worst_s = max(self._worst_s, lag_s)
        self._counts[min(int(lag_s / _BIN_S), _BINS - 1)] += 1
        due = max(due + _PERIOD_S, loop.time())
        self._timer = loop.call_at(due, self._tick, due)

    def quantile_ms(self, quantile: float) -> float:
        """Lateness in milliseconds, to half a millisecond, that the share did not exceed."""
        rank = quantile * sum(self._counts)
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if count and seen >= rank:
                return 1e3 * _BIN_S * (index + 1)
        return 0.0

    @property
    def worst_ms(self) -> float:
        """The longest lateness in milliseconds."""
        return 1e3 * self._worst_s
