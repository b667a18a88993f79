"""Bit rates and counts of a call over all its connections."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import TypeVar

from q2d2_stream.call.audio_connection import AudioConnection
from q2d2_stream.call.stats import DirectionStats
from q2d2_stream.protocol import Counters
from q2d2_stream.sending import WireMeter

__all__ = ["Traffic"]


@dataclass(frozen=True)
class _Totals:
    """What has gone in one direction: the codec's bits with entropy coding, all bits with headers,
    the codec's bits without entropy coding, and all bytes."""

    codec_kbit: float = 0.0
    wire_kbit: float = 0.0
    nominal_kbit: float = 0.0
    wire_bytes: int = 0


_Sums = TypeVar("_Sums", Counters, _Totals)


class Traffic:
    """Adds up what the connections of one call have carried.

    A connection that is over leaves only its sums behind, so nothing grows with their number.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.rtt_min_s: float | None = None
        self._current: AudioConnection | None = None
        self._counters = Counters()
        self._began = time.monotonic()
        self._ended: float | None = None
        self._past = {"sent": _Totals(), "received": _Totals()}

    def attach(self, connection: AudioConnection) -> None:
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

    @property
    def path(self) -> str:
        """What carries the audio that is sent; empty before the first connection."""
        return self._current.path_name if self._current is not None else ""

    @property
    def path_failures(self) -> int:
        """Times that datagrams of this connection got through no longer."""
        return self._current.path_failures if self._current is not None else 0

    def direction(self, name: str) -> DirectionStats:
        """Of "sent" or "received"."""
        totals = self._past[name]
        codec_kbps = wire_kbps = 0.0
        if self._current is not None:
            now = time.monotonic()
            meter: WireMeter = getattr(self._current, name)
            codec_kbps, wire_kbps = meter.kbps(now)
            totals = _sum(totals, _totals(meter, self._current, now))
        elapsed = max(1.0, self.seconds)
        return DirectionStats(
            codec_kbps,
            wire_kbps,
            totals.codec_kbit / elapsed,
            totals.wire_kbit / elapsed,
            totals.nominal_kbit / elapsed,
            totals.wire_bytes,
        )

    def _settle(self) -> None:
        if self._current is None:
            return
        self._counters = self.counters
        now = time.monotonic()
        for name, past in self._past.items():
            meter: WireMeter = getattr(self._current, name)
            self._past[name] = _sum(past, _totals(meter, self._current, now))


def _totals(meter: WireMeter, connection: AudioConnection, now: float) -> _Totals:
    """What a meter has counted since its connection began."""
    codec, wire, nominal = meter.total_kbps(now)
    elapsed = max(1.0, now - connection.began)
    return _Totals(codec * elapsed, wire * elapsed, nominal * elapsed, meter.wire_bytes)


def _sum(first: _Sums, second: _Sums) -> _Sums:
    names = [field.name for field in fields(first)]
    return type(first)(**{name: getattr(first, name) + getattr(second, name) for name in names})
