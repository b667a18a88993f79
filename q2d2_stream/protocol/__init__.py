"""Messages and state machine of a call, without sockets and clocks (docs/reference/protocol.md)."""

from __future__ import annotations

from q2d2_stream.protocol.auth import Secret
from q2d2_stream.protocol.code_phrase import make_code_phrase
from q2d2_stream.protocol.counters import Counters
from q2d2_stream.protocol.endpoint import Direction, Endpoint, LocalModel
from q2d2_stream.protocol.events import Closed, Established, Event
from q2d2_stream.protocol.kinds import Capability, Reason, Role
from q2d2_stream.protocol.limits import MAX_MESSAGE_BYTES, Limits
from q2d2_stream.protocol.messages import Echo, Mute, PathAnswer, PathProbe, ReceiverReport, Text
from q2d2_stream.protocol.registry import DEFAULT_HOLD_S, SILENT_S, Call, CallRegistry
from q2d2_stream.protocol.session import Session, State

__all__ = [
    "DEFAULT_HOLD_S",
    "MAX_MESSAGE_BYTES",
    "SILENT_S",
    "Call",
    "CallRegistry",
    "Capability",
    "Closed",
    "Counters",
    "Direction",
    "Echo",
    "Endpoint",
    "Established",
    "Event",
    "Limits",
    "LocalModel",
    "Mute",
    "PathAnswer",
    "PathProbe",
    "Reason",
    "ReceiverReport",
    "Role",
    "Secret",
    "Session",
    "State",
    "Text",
    "make_code_phrase",
]
