"""What the echoes of sent messages tell of the link: round trip, standing queue, delivery rate.

The peer names the newest message that it has, and for how long it has had it. One such echo gives a
round trip of a message of full size, and says how much has been delivered::

    round trip |              x  .-'  x       x: one message each
               |       x  .-'  x
               |   x  .-'   x                 the trend: a line of least squares
               |  .-'  x
      base  ---|----x-------------------      the smallest of 30 to 60 seconds

Jitter scatters the round trips, a queue lifts all of them. So what the trend has reached tells of a
queue only where it exceeds the scatter around it, and a queue that grows or drains is no scatter.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import fmean as mean
from statistics import median

from q2d2_stream.protocol.sequence import distance

__all__ = ["Delivery", "LinkMonitor"]

_MAX_UNDER_WAY = 512
_WINDOW_S = 1.0
_WINDOW_ECHOES = 4  # a thin link has few messages per second: at least so many make a window
_MEMORY_S = 12.0
_BASE_S = 30.0
_SPREAD_EVERY_S = 0.5
_SPREADS = 24
_FEW = 12
_RATE_S = 3.0
_SPREAD_FACTOR = 2.5
_SPREAD_LEAST_S = 0.15
_SPREAD_OF_BASE = 1.5


@dataclass(frozen=True, slots=True)
class _Sent:
    sequence: int
    bits: int
    at: float


@dataclass(frozen=True, slots=True)
class _Echo:
    at: float
    sent_at: float
    rtt_s: float
    delivered_bits: int  # since the beginning


@dataclass(frozen=True, slots=True)
class _Seen:
    """A window, kept."""

    at: float
    spread_s: float
    bps: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """A window of echoes.

    Attributes:
        queue_s: the trend's round trip at the end of the window, above the base.
        spread_s: how far the round trips lie apart around the trend, here or usually.
        bps: bits per second that arrived, the most of the windows of three seconds.
    """

    queue_s: float
    spread_s: float
    bps: float


def _trend(echoes: list[_Echo]) -> tuple[float, float]:
    """Growth of the round trip in seconds per second, and the middle of the echoes' times."""
    middle_s = mean(echo.at for echo in echoes)
    scale = sum((echo.at - middle_s) ** 2 for echo in echoes)
    slope = sum((echo.at - middle_s) * echo.rtt_s for echo in echoes)
    return (slope / scale if scale > 0 else 0.0), middle_s


class LinkMonitor:
    """Follows the messages of one path; ``now`` in seconds from any monotonic origin.

    Attributes:
        last_sent_at: when the latest message was sent.
    """

    def __init__(self) -> None:
        self.last_sent_at = -math.inf
        self._under_way: deque[_Sent] = deque(maxlen=_MAX_UNDER_WAY)
        self._echoes: deque[_Echo] = deque()
        self._delivered_bits = 0
        self._seen: deque[_Seen] = deque(maxlen=_SPREADS)
        self._base = [math.inf, math.inf]  # two halves that take turns
        self._turn_at: float | None = None
        self._interval_s = 0.0
        self._last_echo_at: float | None = None

    @property
    def rtt_s(self) -> float | None:
        """The latest round trip; None before the first."""
        return self._echoes[-1].rtt_s if self._echoes else None

    @property
    def base_s(self) -> float | None:
        """The smallest round trip of the last 30 to 60 seconds; None before the first."""
        base = min(self._base)
        return base if base < math.inf else None

    @property
    def interval_s(self) -> float:
        """Mean time between echoes, which is how late the news of an arrival may be."""
        return self._interval_s

    @property
    def last_echo_at(self) -> float | None:
        """When the latest echo came."""
        return self._last_echo_at

    def sent(self, sequence: int, bits: int, now: float) -> None:
        """A message that begins with ``sequence`` was sent, ``bits`` on the wire."""
        self.last_sent_at = now
        self._under_way.append(_Sent(sequence, bits, now))

    def echo(self, sequence: int, held_s: float, now: float) -> None:
        """The peer says that the message from ``sequence`` on is the newest it has."""
        newest = None
        while self._under_way and distance(self._under_way[0].sequence, sequence) >= 0:
            newest = self._under_way.popleft()
            self._delivered_bits += newest.bits
        if newest is None or newest.sequence != sequence:
            return
        rtt_s = max(0.0, now - newest.at - held_s)
        if self._turn_at is None or now >= self._turn_at:
            self._base = [rtt_s, self._base[0]]
            self._turn_at = now + _BASE_S
        self._base[0] = min(self._base[0], rtt_s)
        if self._last_echo_at is not None:
            self._interval_s += 0.2 * (min(now - self._last_echo_at, 1.0) - self._interval_s)
        self._last_echo_at = now
        self._echoes.append(_Echo(now, newest.at, rtt_s, self._delivered_bits))
        while now - self._echoes[0].at > _MEMORY_S:
            self._echoes.popleft()

    @property
    def usual_rtt_s(self) -> float:
        """What nine of ten round trips of the last twelve seconds did not exceed."""
        trips = sorted(echo.rtt_s for echo in self._echoes)
        return trips[int(0.9 * (len(trips) - 1))] if trips else 0.0

    @property
    def usual_spread_s(self) -> float:
        """How far the round trips lie apart around their trend, in half of the windows."""
        spreads = [seen.spread_s for seen in self._seen]
        # While little has been seen, the most of it.
        return max(spreads, default=0.0) if len(spreads) < _FEW else median(spreads)

    def forget_under_way(self) -> None:
        """What was sent is not waited for any more."""
        self._under_way.clear()

    def unechoed_s(self, now: float) -> float:
        """Age of the oldest message that has not been echoed; 0 when there is none."""
        return max(0.0, now - self._under_way[0].at) if self._under_way else 0.0

    def window(self, now: float, since: float) -> Delivery | None:
        """The last second of echoes, of messages sent after ``since``; None while they are few."""
        echoes = [echo for echo in self._echoes if echo.sent_at >= since]
        recent = [echo for echo in echoes if now - echo.at <= _WINDOW_S]
        if len(recent) < _WINDOW_ECHOES:
            recent = echoes[-_WINDOW_ECHOES:]
        if len(recent) < _WINDOW_ECHOES or self.base_s is None:
            return None
        trips = [echo.rtt_s for echo in recent]
        slope, middle_s = _trend(recent)
        around = [echo.rtt_s - slope * (echo.at - middle_s) for echo in recent]
        elapsed_s = recent[-1].at - recent[0].at
        bits = recent[-1].delivered_bits - recent[0].delivered_bits
        spread_s = max(around) - min(around)
        bps = bits / elapsed_s if elapsed_s > 0 else 0.0
        if not self._seen or now - self._seen[-1].at >= _SPREAD_EVERY_S:
            self._seen.append(_Seen(now, spread_s, bps))
        # Jitter that keeps the order comes in blocks: some windows show little of it, and little
        # of what the link carries.
        # A short link has little jitter; what else scatters there comes from a queue.
        most_s = max(_SPREAD_LEAST_S, _SPREAD_OF_BASE * self.base_s)
        return Delivery(
            queue_s=mean(trips) + slope * (recent[-1].at - middle_s) - self.base_s,
            spread_s=max(spread_s, min(_SPREAD_FACTOR * self.usual_spread_s, most_s)),
            bps=max([bps, *(seen.bps for seen in self._seen if now - seen.at <= _RATE_S)]),
        )
