"""Messages and state machine of a call, without sockets and clocks (docs/reference/protocol.md)."""

from __future__ import annotations

from q2d2_stream.protocol.auth import Secret
from q2d2_stream.protocol.counters import Counters
from q2d2_stream.protocol.events import Closed, Established, Event
from q2d2_stream.protocol.handshake import Endpoint
from q2d2_stream.protocol.kinds import Capability, Reason, Role
from q2d2_stream.protocol.limits import MAX_MESSAGE_BYTES, Limits
from q2d2_stream.protocol.messages import Mute, ReceiverReport, Text, audio_size
from q2d2_stream.protocol.registry import Call, CallRegistry
from q2d2_stream.protocol.session import Session, State

__all__ = [
    "MAX_MESSAGE_BYTES",
    "Call",
    "CallRegistry",
    "Capability",
    "Closed",
    "Counters",
    "Endpoint",
    "Established",
    "Event",
    "Limits",
    "Mute",
    "Reason",
    "ReceiverReport",
    "Role",
    "Secret",
    "Session",
    "State",
    "Text",
    "audio_size",
]
