"""Round-trip time from pings and pongs."""

from __future__ import annotations

from collections import OrderedDict

from q2d2_stream.protocol.messages import Ping, Pong

__all__ = ["RoundTrip"]

_MAX_OUTSTANDING = 16


class RoundTrip:
    """Makes pings, takes pongs and tells the time between; ``now`` in seconds."""

    def __init__(self) -> None:
        self._sent: OrderedDict[int, float] = OrderedDict()
        self._rtt_s: float | None = None

    @property
    def rtt_s(self) -> float | None:
        """Latest round-trip time in seconds; None before the first pong."""
        return self._rtt_s

    def unanswered_s(self, now: float) -> float:
        """Age in seconds of the oldest ping without an answer; 0 when there is none."""
        return max(0.0, now - next(iter(self._sent.values()))) if self._sent else 0.0

    def ping(self, now: float) -> Ping:
        """A ping to send at ``now``."""
        time_us = max(0, round(now * 1e6)) & (2**64 - 1)
        while time_us in self._sent:
            time_us += 1
        self._sent[time_us] = now
        if len(self._sent) > _MAX_OUTSTANDING:
            self._sent.popitem(last=False)
        return Ping(time_us)

    def pong(self, pong: Pong, now: float) -> bool:
        """Take an answer; False when no such ping is outstanding."""
        if pong.time_us not in self._sent:
            return False
        # The stream keeps its order: an answer also settles the pings before it.
        while True:
            time_us, sent = self._sent.popitem(last=False)
            if time_us == pong.time_us:
                break
        self._rtt_s = max(0.0, now - sent - pong.held_us / 1e6)
        return True
