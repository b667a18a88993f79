"""What a message costs on the wire, headers included, for everything that carries a call.

    websocket  | IP 20 | TCP 20, with timestamps 32 | TLS 22 | WebSocket 2 or 4, mask 4 | message |
    UDP        | IP 20 | UDP 8 | message |
    serial     | message | COBS 1 | zero byte 1 |     and a start and a stop bit around each byte

Counted for TCP: one segment per message (TCP_NODELAY), and the acknowledgements that travel alone.
Linux delays them by 40 ms and lets them ride on what is sent meanwhile. Not counted: Ethernet or
radio framing, retransmissions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from q2d2_stream.protocol.kinds import Role

__all__ = ["Link", "SerialLink", "UdpLink", "WebSocketLink"]

_IPV4_BYTES = 20
_IPV6_BYTES = 40
_TCP_BYTES = 20
_TCP_TIMESTAMP_BYTES = 12
_UDP_BYTES = 8
_TLS_RECORD_BYTES = 22
_MASK_BYTES = 4
_DELAYED_ACK_S = 0.04
_SERIAL_FRAMING_BYTES = 2
_BITS_PER_SERIAL_BYTE = 10
_COBS_BLOCK_BYTES = 254


class Link(ABC):
    """The layers below a message, in one direction.

    Attributes:
        name: "websocket", "udp" or "serial".
    """

    name: ClassVar[str]

    @abstractmethod
    def wire_bits(self, message_bytes: int) -> int:
        """Bits on the wire for one message of ``message_bytes`` bytes."""

    @property
    def acknowledgement_bits(self) -> int:
        """Bits of an acknowledgement that travels alone; 0 where nothing below answers."""
        return 0

    def acknowledgement_share(self, sent_per_s: float) -> float:
        """Share of the received messages whose acknowledgement finds nothing to ride on."""
        return max(0.0, 1.0 - _DELAYED_ACK_S * sent_per_s)

    @property
    def capacity_bps(self) -> float | None:
        """Bits per second that the line can carry; None where that must be found out."""
        return None

    @property
    def loses_messages(self) -> bool:
        """Whether messages can be lost, so that copies of them are of use."""
        return True

    @property
    def reversed(self) -> Link:
        """The other direction."""
        return self


@dataclass(frozen=True)
class WebSocketLink(Link):
    """A websocket over TCP.

    Attributes:
        sender: a client masks what it sends, a server does not.
        tls: ``wss://`` rather than ``ws://``.
        tcp_timestamps: 12 bytes of options in every segment, on by default on Linux and macOS.
        ipv6: 40 bytes of IP header rather than 20.
    """

    name: ClassVar[str] = "websocket"
    sender: Role
    tls: bool = False
    tcp_timestamps: bool = True
    ipv6: bool = False

    def websocket_bytes(self, message_bytes: int) -> int:
        """Bytes of the WebSocket frame around a message: 2 to 10, and 4 of mask."""
        length = 2 if message_bytes < 126 else 4 if message_bytes < 65_536 else 10
        return length + (_MASK_BYTES if self.sender is Role.CLIENT else 0)

    def wire_bits(self, message_bytes: int) -> int:
        """Bits on the wire for one message of ``message_bytes`` bytes."""
        record = _TLS_RECORD_BYTES if self.tls else 0
        below = self.acknowledgement_bits // 8 + record
        return 8 * (message_bytes + self.websocket_bytes(message_bytes) + below)

    @property
    def acknowledgement_bits(self) -> int:
        """An empty segment."""
        below = _TCP_BYTES + (_IPV6_BYTES if self.ipv6 else _IPV4_BYTES)
        return 8 * (below + (_TCP_TIMESTAMP_BYTES if self.tcp_timestamps else 0))

    @property
    def loses_messages(self) -> bool:
        """TCP sends them again."""
        return False

    @property
    def reversed(self) -> WebSocketLink:
        """The other direction: only the mask differs."""
        return WebSocketLink(self.sender.other, self.tls, self.tcp_timestamps, self.ipv6)


@dataclass(frozen=True)
class UdpLink(Link):
    """One datagram per message.

    Attributes:
        ipv6: 40 bytes of IP header rather than 20.
    """

    name: ClassVar[str] = "udp"
    ipv6: bool = False

    def wire_bits(self, message_bytes: int) -> int:
        """Bits on the wire for one message of ``message_bytes`` bytes."""
        return 8 * (message_bytes + _UDP_BYTES + (_IPV6_BYTES if self.ipv6 else _IPV4_BYTES))


@dataclass(frozen=True)
class SerialLink(Link):
    """A serial line: 8 data bits, no parity, one stop bit.

    Attributes:
        baud: bits per second, start and stop bits counted.
    """

    name: ClassVar[str] = "serial"
    baud: int

    def wire_bits(self, message_bytes: int) -> int:
        """Bits on the line for one sealed message of ``message_bytes`` bytes."""
        stuffing = message_bytes // _COBS_BLOCK_BYTES
        return _BITS_PER_SERIAL_BYTE * (message_bytes + stuffing + _SERIAL_FRAMING_BYTES)

    @property
    def capacity_bps(self) -> float:
        """The baud rate."""
        return float(self.baud)
