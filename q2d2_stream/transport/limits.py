"""What a listener lets strangers do."""

from __future__ import annotations

from dataclasses import dataclass, field

from q2d2_stream.protocol.registry import DEFAULT_HOLD_S

__all__ = ["ByteLimits", "ConnectionLimits", "GuessLimits"]


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
class GuessLimits:
    """How many handshakes a listener takes part in.

    Attributes:
        hellos_per_s: hellos answered in all, 3 ms of processor each.
        per_s, burst: auths judged in all while nobody guesses wrong, 5 ms each.
        slow_per_s: the same after ``slow_after`` wrong guesses.
        slow_after: wrong guesses in all, which are forgotten over ``forget_s``.
        delay_s: how long an address waits after its first wrong guess; doubled by each further
            one, up to ``delay_max_s``.
        forget_s: half of the wrong guesses count no longer after so many seconds.
        report_s: the user is told of wrong guesses at most so often.
    """

    hellos_per_s: float = 50.0
    per_s: float = 16.0
    burst: float = 32.0
    slow_per_s: float = 8.0
    slow_after: float = 20.0
    delay_s: float = 0.05
    delay_max_s: float = 0.5
    forget_s: float = 60.0
    report_s: float = 60.0


@dataclass(frozen=True)
class ConnectionLimits:
    """What strangers may do. Who has proved the secret is a stranger no longer.

    Attributes:
        strangers: their connections at a time, counted when they are accepted: half of a TLS
            handshake costs 0.3 MB. When all are taken, one of the address that has most of them
            makes room.
        refills_per_s: connections per second for which an address makes room among its own.
        first_bytes_s: seconds until the first byte.
        open_s: seconds for TLS and for the websocket's handshake; the call's own is 5 more.
        take_s: seconds in which a browser that gets the page must take the next 64 KiB of it.
        bytes: see :class:`ByteLimits`.
        guesses: see :class:`GuessLimits`.
        hold_s: how long a broken call keeps the line for its peer to come back.
    """

    strangers: int = 48
    refills_per_s: float = 64.0
    first_bytes_s: float = 2.0
    open_s: float = 5.0
    take_s: float = 30.0
    bytes: ByteLimits = field(default_factory=ByteLimits)
    guesses: GuessLimits = field(default_factory=GuessLimits)
    hold_s: float = DEFAULT_HOLD_S
