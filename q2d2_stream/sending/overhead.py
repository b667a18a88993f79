"""How many bits per second go over the wire, and how many of them are the codec's."""

from __future__ import annotations

from collections import deque

from q2d2_stream.sending.link import Link

__all__ = ["WireMeter"]

_WINDOW_S = 5


class WireMeter:
    """Codec and wire bit rate of one direction, over the last five seconds and in total.

    ``now`` is in seconds from any monotonic origin.
    """

    def __init__(self, link: Link, now: float) -> None:
        self._link = link
        self._started = now
        self._codec_bits = 0
        self._nominal_bits = 0.0
        self._wire_bits = 0
        self._seconds: deque[list[float]] = deque(maxlen=_WINDOW_S + 1)  # second, codec, wire

    def count(self, message_bytes: int, now: float, link: Link | None = None) -> None:
        """Count a message of that length, over ``link`` where it went another way than usual."""
        wire_bits = (link or self._link).wire_bits(message_bytes)
        self._wire_bits += wire_bits
        self._second(now)[2] += wire_bits

    def count_payload(self, payload_bytes: int, nominal_bits: float, now: float) -> None:
        """Count indices in messages, which are the codec's.

        Args:
            payload_bytes: their length, coded or packed.
            nominal_bits: what their frames come to at ``bits_per_frame``, neither coded nor
                rounded to bytes.
            now: when.
        """
        self._nominal_bits += nominal_bits
        self._codec_bits += 8 * payload_bytes
        self._second(now)[1] += 8 * payload_bytes

    def _second(self, now: float) -> list[float]:
        second = now // 1
        if not self._seconds or self._seconds[-1][0] < second:
            self._seconds.append([second, 0.0, 0.0])
        return self._seconds[-1]

    def kbps(self, now: float) -> tuple[float, float]:
        """Codec and wire kbps over the last five whole seconds and the one that runs."""
        first = max(self._started, now // 1 - _WINDOW_S)
        recent = [entry for entry in self._seconds if entry[0] + 1 > first]
        elapsed = max(1.0, now - first)
        codec = sum(entry[1] for entry in recent) / elapsed / 1000
        return codec, sum(entry[2] for entry in recent) / elapsed / 1000

    def total_kbps(self, now: float) -> tuple[float, float, float]:
        """Codec, wire and nominal kbps since the meter was made."""
        per_kbps = 1000 * max(1.0, now - self._started)
        codec, wire, nominal = self._codec_bits, self._wire_bits, self._nominal_bits
        return codec / per_kbps, wire / per_kbps, nominal / per_kbps

    @property
    def wire_bytes(self) -> int:
        """Bytes on the wire since the meter was made."""
        return self._wire_bits // 8
