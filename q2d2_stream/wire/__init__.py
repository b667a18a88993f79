"""Messages and state machine of a call, without sockets and clocks; see docs/protocol.md."""

from __future__ import annotations

from q2d2_stream.wire.auth import Secret
from q2d2_stream.wire.counters import Counters
from q2d2_stream.wire.dtx import Dtx, DtxOptions, SpurtFrame, VoiceDetector
from q2d2_stream.wire.events import AudioFrames, Closed, Established, Event
from q2d2_stream.wire.handshake import Endpoint
from q2d2_stream.wire.kinds import Capability, Reason, Role
from q2d2_stream.wire.limits import MAX_MESSAGE_BYTES, Limits
from q2d2_stream.wire.lobby import Call, Lobby
from q2d2_stream.wire.messages import Mute, ReceiverReport, Text, audio_size
from q2d2_stream.wire.overhead import Link, WireMeter
from q2d2_stream.wire.pacing import Pace, Pacer, SendState
from q2d2_stream.wire.send_queue import SendQueue
from q2d2_stream.wire.session import Session, State

__all__ = [
    "MAX_MESSAGE_BYTES",
    "AudioFrames",
    "Call",
    "Capability",
    "Closed",
    "Counters",
    "Dtx",
    "DtxOptions",
    "Endpoint",
    "Established",
    "Event",
    "Limits",
    "Link",
    "Lobby",
    "Mute",
    "Pace",
    "Pacer",
    "Reason",
    "ReceiverReport",
    "Role",
    "Secret",
    "SendQueue",
    "SendState",
    "Session",
    "SpurtFrame",
    "State",
    "Text",
    "VoiceDetector",
    "WireMeter",
    "audio_size",
]
