"""What a session tells its owner; the messages that need no more are events themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol.endpoint import Direction
from q2d2_stream.protocol.hello import Hello
from q2d2_stream.protocol.kinds import Reason
from q2d2_stream.protocol.messages import Echo, Mute, PathProbe, ReceiverReport, Text
from q2d2_stream.protocol.registry import Call

__all__ = ["Closed", "Established", "Event", "Exchange"]


@dataclass(frozen=True)
class Exchange:
    """A message of the handshake and its answer: how many bytes went both ways, how long it took.

    The time to work out the keys is in it, so it tells less than the link carries.
    """

    message_bytes: int
    seconds: float


@dataclass(frozen=True)
class Established:
    """The handshake is done: audio may flow.

    Attributes:
        call: what the call keeps over reconnections.
        peer: the peer's hello.
        sending, receiving: what was agreed on for either direction.
        frames_per_message: frames per message to begin with: the larger of both wishes.
        resumed: the peer's sequence numbers go on from an earlier connection.
        authenticated: the peer has proved the secret.
        path_token: names the connection in datagrams; empty unless both sides send them.
        exchange: how long the handshake's hellos took; None where nothing was measured.
    """

    call: Call
    peer: Hello
    sending: Direction
    receiving: Direction
    frames_per_message: int
    resumed: bool
    authenticated: bool
    path_token: bytes = b""
    exchange: Exchange | None = None


@dataclass(frozen=True)
class Closed:
    """The session is over; send what :meth:`Session.data_to_send` still holds, then hang up."""

    reason: Reason
    text: str
    by_peer: bool

    @property
    def may_retry(self) -> bool:
        """Whether dialling again may help: the link broke, or the line was busy."""
        return self.reason in (Reason.LOST, Reason.TIMEOUT, Reason.BUSY)


Event: TypeAlias = (
    Established | AudioFrames | ReceiverReport | Mute | Text | Echo | PathProbe | Closed
)
