"""What a room's session tells its owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol.endpoint import LocalModel
from q2d2_stream.protocol.messages import Echo
from q2d2_stream.rooms.messages import RoomReason
from q2d2_stream.rooms.path_messages import PathOffer

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
    "ReceiversLag",
    "ReceiversLose",
    "RoomClosed",
    "RoomEvent",
]


@dataclass(frozen=True)
class Admitted:
    """The relay has let this side in; ``others`` are there already, by number."""

    others: tuple[int, ...]


@dataclass(frozen=True)
class MemberJoined:
    """Somebody came in, whose name is not known yet."""

    member: int


@dataclass(frozen=True)
class MemberNamed:
    """Somebody has said who they are.

    Attributes:
        member: number of who it is.
        name: one printable line; may be empty, and the same as another's.
        model: what their audio is decoded with; None where this side has not that model.
    """

    member: int
    name: str
    model: LocalModel | None


@dataclass(frozen=True)
class MemberLeft:
    """Somebody went out, or was lost."""

    member: int


@dataclass(frozen=True)
class MemberAudio:
    """Frames of somebody who was named."""

    member: int
    frames: AudioFrames


@dataclass(frozen=True)
class MemberMuted:
    """Somebody's microphone was muted, or is not any more."""

    member: int
    muted: bool


@dataclass(frozen=True)
class MemberRecording:
    """Somebody keeps what is said, or does so no more."""

    member: int
    recording: bool


@dataclass(frozen=True)
class MemberText:
    """A note of one line."""

    member: int
    text: str


@dataclass(frozen=True)
class CodeShown:
    """There is a ``code`` to read aloud."""

    code: str


@dataclass(frozen=True)
class CodeGranted:
    """Somebody got the link by the code."""


@dataclass(frozen=True)
class CodeWrong:
    """Somebody guessed wrong; ``left`` more wrong guesses end the code."""

    left: int


@dataclass(frozen=True)
class CodeSpent:
    """The code leads nowhere any more; ``text`` says why."""

    text: str


@dataclass(frozen=True)
class ReceiversLag:
    """Some of the others lose ``share`` of the audio on their way from the relay, 0 to 1."""

    share: float


@dataclass(frozen=True)
class PathLoss:
    """A ``share`` of what this side sent by UDP did not reach the relay, 0 to 1."""

    share: float


@dataclass(frozen=True)
class ReceiversLose:
    """Some of the others lose ``share`` of the datagrams from the relay, 0 to 1."""

    share: float


@dataclass(frozen=True)
class Moved:
    """The relay is about to stop: connect again."""


@dataclass(frozen=True)
class RoomClosed:
    """The session is over.

    Attributes:
        reason: why; None where the connection broke.
        text: a sentence for the user.
        left: whether this side has gone of its own will.
    """

    reason: RoomReason | None
    text: str
    left: bool = False

    @property
    def may_retry(self) -> bool:
        """Whether connecting again, to this or another relay, may help."""
        return not self.left and self.reason in (
            None,
            RoomReason.AGAIN,
            RoomReason.FULL,
            RoomReason.LIMIT,
        )


RoomEvent: TypeAlias = (
    Admitted
    | MemberJoined
    | MemberNamed
    | MemberLeft
    | MemberAudio
    | MemberMuted
    | MemberRecording
    | MemberText
    | CodeShown
    | CodeGranted
    | CodeWrong
    | CodeSpent
    | ReceiversLag
    | ReceiversLose
    | PathLoss
    | PathOffer
    | Moved
    | Echo
    | RoomClosed
)
