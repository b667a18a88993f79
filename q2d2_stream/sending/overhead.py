"""What a message really costs on the wire, headers included.

Counted: WebSocket header (RFC 6455), TLS 1.3 record where there is TLS, TCP and IP header, one
segment per message (TCP_NODELAY). Not counted: Ethernet or radio framing, retransmissions, and
acknowledgements that travel alone; in a call both sides talk and most ride on data.

    | IP 20 | TCP 20, with timestamps 32 | TLS 5 + 1 + 16 | WebSocket 2 or 4, mask 4 | message |
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from q2d2_stream.protocol.kinds import Role

__all__ = ["Link", "WireMeter"]

_IPV4_BYTES = 20
_IPV6_BYTES = 40
_TCP_BYTES = 20
_TCP_TIMESTAMP_BYTES = 12
_TLS_RECORD_BYTES = 22
_MASK_BYTES = 4
_WINDOW_S = 5


@dataclass(frozen=True)
class Link:
    """The layers below a message in one direction.

    Attributes:
        sender: a client masks what it sends, a server does not.
        tls: ``wss://`` rather than ``ws://``.
        tcp_timestamps: 12 bytes of options in every segment, on by default on Linux and macOS.
        ipv6: 40 bytes of IP header rather than 20.
    """

    sender: Role
    tls: bool = False
    tcp_timestamps: bool = True
    ipv6: bool = False

    def websocket_bytes(self, message_bytes: int) -> int:
        """Bytes of the WebSocket frame around a message: 2 to 10, and 4 of mask."""
        length = 2 if message_bytes < 126 else 4 if message_bytes < 65_536 else 10
        return length + (_MASK_BYTES if self.sender is Role.CLIENT else 0)

    def wire_bytes(self, message_bytes: int) -> int:
        """Bytes on the wire for one message of ``message_bytes`` bytes."""
        below = _TCP_BYTES + (_IPV6_BYTES if self.ipv6 else _IPV4_BYTES)
        if self.tcp_timestamps:
            below += _TCP_TIMESTAMP_BYTES
        if self.tls:
            below += _TLS_RECORD_BYTES
        return message_bytes + self.websocket_bytes(message_bytes) + below


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

    def count(self, message_bytes: int, now: float) -> None:
        """Count a message of that length."""
        wire_bits = 8 * self._link.wire_bytes(message_bytes)
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
