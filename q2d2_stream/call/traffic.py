"""Bit rates and counts of a call over all its connections."""

from __future__ import annotations

import time
from dataclasses import fields

from q2d2_stream.call.connection import Connection
from q2d2_stream.call.stats import DirectionStats
from q2d2_stream.wire import Counters, WireMeter

__all__ = ["Traffic"]


class Traffic:
    """Adds up what the connections of one call have carried.

    A connection that is over leaves only its sums behind, so nothing grows with their number.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.rtt_min_s: float | None = None
        self._current: Connection | None = None
        self._counters = Counters()
        self._began = time.monotonic()
        self._ended: float | None = None
        # kilobits of codec, wire and nominal, and bytes on the wire
        self._past = {"sent": [0.0, 0.0, 0.0, 0], "received": [0.0, 0.0, 0.0, 0]}

    def attach(self, connection: Connection) -> None:
        """Count ``connection`` from now on."""
        if not self.connections:
            self._began = time.monotonic()
        self._settle()
        self._current = connection
        self.connections += 1

    def stop(self) -> None:
        """The call is over: its length no longer grows."""
        self._ended = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the first connection, until the end."""
        if not self.connections:
            return 0.0
        return (time.monotonic() if self._ended is None else self._ended) - self._began

    @property
    def counters(self) -> Counters:
        """Of all connections."""
        return _sum(self._counters, self._current.counters) if self._current else self._counters

    @property
    def rtt_s(self) -> float | None:
        """Latest round trip; also updates the least one."""
        if self._current is None:
            return None
        least = self._current.rtt_min_s
        if least is not None:
            self.rtt_min_s = min(least, self.rtt_min_s or least)
        return self._current.rtt_s

    def direction(self, name: str) -> DirectionStats:
        """Of "sent" or "received"."""
        codec_kbit, wire_kbit, nominal_kbit, wire_bytes = self._past[name]
        codec_kbps = wire_kbps = 0.0
        if self._current is not None:
            now = time.monotonic()
            meter: WireMeter = getattr(self._current, name)
            codec_kbps, wire_kbps = meter.kbps(now)
            more = _totals(meter, self._current, now)
            codec_kbit, wire_kbit = codec_kbit + more[0], wire_kbit + more[1]
            nominal_kbit += more[2]
            wire_bytes += meter.wire_bytes
        elapsed = max(1.0, self.seconds)
        return DirectionStats(
            codec_kbps,
            wire_kbps,
            codec_kbit / elapsed,
            wire_kbit / elapsed,
            nominal_kbit / elapsed,
            int(wire_bytes),
        )

    def _settle(self) -> None:
        if self._current is None:
            return
        self._counters = self.counters
        now = time.monotonic()
        for name, past in self._past.items():
            meter: WireMeter = getattr(self._current, name)
            for which, kbit in enumerate(_totals(meter, self._current, now)):
                past[which] += kbit
            past[3] += meter.wire_bytes


def _totals(meter: WireMeter, connection: Connection, now: float) -> tuple[float, float, float]:
    """Kilobits of codec, wire and nominal that a meter has counted."""
    codec, wire, nominal = meter.total_kbps(now)
    elapsed = max(1.0, now - connection.began)
    return codec * elapsed, wire * elapsed, nominal * elapsed


def _sum(first: Counters, second: Counters) -> Counters:
    names = [field.name for field in fields(Counters)]
    return Counters(**{name: getattr(first, name) + getattr(second, name) for name in names})
