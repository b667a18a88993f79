"""Which calls are on: what a call keeps over reconnections, and who may have the line."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from q2d2_stream.protocol.sequence import SequenceWindow, add

__all__ = ["Call", "CallRegistry"]


@dataclass(eq=False)
class Call:
    """What both ends of a call keep while its connections come and go.

    Attributes:
        call_id: 16 random bytes, made by the client.
        next_sequence: sequence number of the next frame meant to be sent.
        window: the sequence numbers received.
        connections: connections that have carried this call; only the last one still does.
    """

    call_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    next_sequence: int = 0
    window: SequenceWindow = field(default_factory=SequenceWindow)
    connections: int = 0

    def take_sequence(self) -> int:
        """Number for one more frame."""
        sequence = self.next_sequence
        self.next_sequence = add(sequence, 1)
        return sequence


class CallRegistry:
    """A listener's calls: one at a time by default, others are told that it is busy.

    A call whose connection broke keeps its place for ``hold_s`` seconds, so that its peer can
    come back; after that it makes room for others.
    """

    def __init__(self, capacity: int = 1, hold_s: float = 10.0) -> None:
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

    def join(self, call_id: bytes, now: float) -> Call | None:
        """Join or rejoin a call; None when the line is busy."""
        call = self.find(call_id, now)
        if call is None:
            if len(self._calls) >= self._capacity:
                return None
            call = self._calls[call_id] = Call(call_id)
        self._free_at.pop(call_id, None)
        return call

    def leave(self, call: Call, now: float, *, ended: bool) -> None:
        """A call has ended, or has lost its connection and may come back."""
        if self._calls.get(call.call_id) is not call:
            return
        if ended:
            del self._calls[call.call_id]
            self._free_at.pop(call.call_id, None)
        else:
            self._free_at[call.call_id] = now + self._hold_s

    def _expire(self, now: float) -> None:
        for call_id in [key for key, free_at in self._free_at.items() if free_at <= now]:
            del self._calls[call_id], self._free_at[call_id]
