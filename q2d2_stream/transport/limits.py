"""What a listener lets strangers do."""

from __future__ import annotations

from dataclasses import dataclass, field

from q2d2_stream.protocol.registry import DEFAULT_HOLD_S

__all__ = ["ByteLimits", "ConnectionLimits"]


@dataclass(frozen=True)
class ByteLimits:
    """What one connection may move, in bytes.

    A frame of a websocket can be two bytes long and costs some ten microseconds, so a limit on
    messages alone would let a stranger keep the event loop busy for half a second per read.

    Attributes:
        stranger: received in all before the handshake is done; it takes 1 KB.
        per_s, burst: received afterwards; a call makes 6 KB per second at most.
        unread: waiting to be sent: answers to pings pile up when a peer does not read.
    """

    stranger: int = 16_384
    per_s: float = 65_536
    burst: float = 524_288
    unread: int = 131_072


@dataclass(frozen=True)
class ConnectionLimits:
    """What strangers may do.

    Attributes:
        per_address: connections from one address.
        connections: connections in all.
        open_s: seconds for TLS and for the websocket's handshake; the call's own is 5 more.
        bytes: see :class:`ByteLimits`.
        hold_s: how long a broken call keeps the line for its peer to come back.
    """

    per_address: int = 8
    connections: int = 32
    open_s: float = 5.0
    bytes: ByteLimits = field(default_factory=ByteLimits)
    hold_s: float = DEFAULT_HOLD_S
