"""Rooms: calls of any number of people through a relay that can hear none of them.

Everything here is without sockets and clocks. A room is a secret of 128 bits, carried in the part
of a link that no browser sends to a server; see docs/reference/rooms.md.
"""

from __future__ import annotations

from q2d2_stream.rooms.code import RoomCode
from q2d2_stream.rooms.events import (
    Admitted,
    CodeGranted,
    CodeShown,
    CodeSpent,
    CodeWrong,
    MemberAudio,
    MemberJoined,
    MemberLeft,
    MemberMuted,
    MemberNamed,
    MemberRecording,
    MemberText,
    Moved,
    PathLoss,
    ReceiversLag,
    ReceiversLose,
    RoomClosed,
    RoomEvent,
)
from q2d2_stream.rooms.keys import RoomKeys
from q2d2_stream.rooms.link import RoomLink
from q2d2_stream.rooms.path_messages import PathOffer
from q2d2_stream.rooms.recording import Recording
from q2d2_stream.rooms.session import RoomSession

__all__ = [
    "Admitted",
    "CodeGranted",
    "CodeShown",
    "CodeSpent",
    "CodeWrong",
    "MemberAudio",
    "MemberJoined",
    "MemberLeft",
    "MemberMuted",
    "MemberNamed",
    "MemberRecording",
    "MemberText",
    "Moved",
    "PathLoss",
    "PathOffer",
    "ReceiversLag",
    "ReceiversLose",
    "Recording",
    "RoomClosed",
    "RoomCode",
    "RoomEvent",
    "RoomKeys",
    "RoomLink",
    "RoomSession",
]
