"""Which calls are on: what a call keeps over reconnections, and who may have the line."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field

from q2d2_stream.protocol.sequence import SequenceWindow, add

__all__ = ["ABANDONED_S", "DEFAULT_HOLD_S", "SILENT_S", "Call", "CallRegistry"]

DEFAULT_HOLD_S = 60.0
"""How long both sides keep a call whose connection broke."""

SILENT_S = 3.0
"""After so many seconds of nothing a user is told, and a caller who proves the secret may have the
line."""

ABANDONED_S = 10.0
"""After so many seconds of a broken call any caller may have its line, where there is no secret."""


@dataclass(eq=False)
class Call:
    """What both ends of a call keep while its connections come and go.

    Attributes:
        call_id: 16 random bytes, made by the client.
        next_sequence: sequence number of the next frame meant to be sent.
        window: the sequence numbers received.
        connections: connections that have carried this call; only the last one still does.
        resumption: 32 secret bytes of the two sides, by which they know each other again; empty
            before the other side has shown that it has them too.
        heard_at: when something genuine came from the peer.
    """

    call_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    next_sequence: int = 0
    window: SequenceWindow = field(default_factory=SequenceWindow)
    connections: int = 0
    resumption: bytes = field(default=b"", repr=False)
    heard_at: float = -math.inf
    _unconfirmed: bytes = field(default=b"", repr=False)

    def take_sequence(self) -> int:
        """Number for one more frame."""
        sequence = self.next_sequence
        self.next_sequence = add(sequence, 1)
        return sequence

    def begin(self, resumption: bytes) -> None:
        """The call has a new secret, which counts once :meth:`hear` shows that the peer has it."""
        self._unconfirmed = resumption

    def hear(self, now: float) -> None:
        """Something that only the peer can have made has come."""
        self.heard_at = now
        if self._unconfirmed:
            self.resumption, self._unconfirmed = self._unconfirmed, b""


class CallRegistry:
    """A listener's calls: one at a time by default, others are told that it is busy.

    A call whose connection broke keeps its place, so that its peer can come back; after that it
    makes room for others. It makes room at once for a caller who proves the secret: whose program
    crashed does not have the call's id any more. Where there is no secret, strangers and a peer
    that was started again look alike: they may have the line after ten seconds.

    Args:
        capacity: calls at a time.
        hold_s: how long a broken call keeps its place.
    """

    def __init__(self, capacity: int = 1, hold_s: float = DEFAULT_HOLD_S) -> None:
        self._capacity = capacity
        self._hold_s = hold_s
        self._calls: dict[bytes, Call] = {}
        self._free_at: dict[bytes, float] = {}  # calls without a connection

    def __len__(self) -> int:
        return len(self._calls)

    def find(self, call_id: bytes, now: float) -> Call | None:
        """The call of that id, when it is on or held."""
        self._expire(now)
        return self._calls.get(call_id)

    def join(self, call_id: bytes, now: float, *, authenticated: bool = False) -> Call | None:
        """Join or rejoin a call; None when the line is busy.

        Args:
            call_id: of the call.
            now: seconds.
            authenticated: the caller has proved the secret.
        """
        call = self.find(call_id, now)
        if call is None:
            if len(self._calls) >= self._capacity and not self._replace(now, authenticated):
                return None
            call = self._calls[call_id] = Call(call_id)
        call.heard_at = now
        self._free_at.pop(call_id, None)
        return call

    def leave(self, call: Call, now: float, *, ended: bool) -> None:
        """A call has ended, or has lost its connection and may come back."""
        if self._calls.get(call.call_id) is not call:
            return
        if ended:
            self._drop(call)
        else:
            self._free_at[call.call_id] = now + self._hold_s

    def _replace(self, now: float, authenticated: bool) -> bool:
        """Drop the call that has been silent for longest, if a newcomer may have its place."""
        quietest = min(self._calls.values(), key=lambda call: call.heard_at)
        is_held = quietest.call_id in self._free_at
        silent_s = now - quietest.heard_at
        if authenticated:
            if not is_held and silent_s < SILENT_S:
                return False
        elif not is_held or silent_s < ABANDONED_S:
            return False
        quietest.connections += 1  # a session that still waits for it notices, and ends
        self._drop(quietest)
        return True

    def _drop(self, call: Call) -> None:
        del self._calls[call.call_id]
        self._free_at.pop(call.call_id, None)

    def _expire(self, now: float) -> None:
        for call_id in [key for key, free_at in self._free_at.items() if free_at <= now]:
            del self._calls[call_id], self._free_at[call_id]
