"""What a member and a relay say to each other, and relays among themselves, in the clear.

    member                          relay
      | <----------------- challenge -- |
      | -- join ----------------------> |  signature right, room not full?
      | <------------------- welcome -- |  who is there
      | <------------ joined / left --- |  who comes and goes
      | -- audio, control ------------> |  sealed; forwarded with the sender's number in front
      | <------------- audio, control - |

Little-endian, one kind byte first. Unknown kinds are ignored and counted.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from q2d2_stream.errors import HandshakeError, WireError
from q2d2_stream.protocol.fields import printable, put_text, take_text
from q2d2_stream.rooms.code_messages import CODE_CLASSES, CodeMessage
from q2d2_stream.rooms.keys import NONCE_BYTES, ROOM_ID_BYTES, member_id
from q2d2_stream.rooms.kinds import RoomKind, RoomReason
from q2d2_stream.rooms.path_messages import PATH_CLASSES, PathMessage
from q2d2_stream.rooms.share_message import ShareMessage

__all__ = [
    "CHALLENGE_BYTES",
    "MAX_MEMBERS",
    "ROOM_VERSION",
    "Audio",
    "Challenge",
    "Control",
    "Join",
    "Joined",
    "Lagging",
    "Left",
    "Moved",
    "Ping",
    "Pong",
    "Refused",
    "RelayMessage",
    "RoomKind",
    "RoomReason",
    "Roster",
    "Sent",
    "Unknown",
    "Welcome",
    "decode",
    "encode",
    "is_after_handshake",
    "is_audio",
]

ROOM_VERSION = 1
CHALLENGE_BYTES = 32
MAX_MEMBERS = 64
_MAGIC = b"Q2RM"
_MAX_TEXT_BYTES = 300

_AUDIO = (bytes([RoomKind.AUDIO]), bytes([RoomKind.VOICE]))
_CHALLENGE = struct.Struct(f"<4sB{CHALLENGE_BYTES}s")
_JOIN = struct.Struct(f"<4sB{ROOM_ID_BYTES}s32s64s{NONCE_BYTES}s")
_NUMBER = struct.Struct("<I")
_PING = struct.Struct("<Q")
_RELAY = struct.Struct("<8s")


def is_after_handshake(data: bytes) -> bool:
    """Whether a message of a room is of those that come once a member is in."""
    return data[:1] >= bytes([RoomKind.JOINED])


def is_audio(data: bytes) -> bool:
    """Whether a message of a room carries sound."""
    return data[:1] in _AUDIO


@dataclass(frozen=True)
class Challenge:
    """The relay's first word: 32 random bytes to sign."""

    KIND: ClassVar[RoomKind] = RoomKind.CHALLENGE
    challenge: bytes

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _CHALLENGE.pack(_MAGIC, ROOM_VERSION, self.challenge)

    @classmethod
    def from_body(cls, body: bytes) -> Challenge:
        """Inverse of :meth:`to_body`; HandshakeError for another version."""
        _check_start(body, _CHALLENGE.size)
        _, _, challenge = _CHALLENGE.unpack_from(body)
        return cls(challenge)


@dataclass(frozen=True)
class Join:
    """A member asks to be let in.

    Attributes:
        room_id: 16 bytes.
        public_key, signature: of the room's admission key.
        nonce: the member's, new for every connection.
    """

    KIND: ClassVar[RoomKind] = RoomKind.JOIN
    room_id: bytes
    public_key: bytes
    signature: bytes
    nonce: bytes

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _JOIN.pack(
            _MAGIC, ROOM_VERSION, self.room_id, self.public_key, self.signature, self.nonce
        )

    @classmethod
    def from_body(cls, body: bytes) -> Join:
        """Inverse of :meth:`to_body`; HandshakeError for another version."""
        _check_start(body, _JOIN.size)
        _, _, room_id, public_key, signature, nonce = _JOIN.unpack_from(body)
        return cls(room_id, public_key, signature, nonce)


@dataclass(frozen=True)
class Welcome:
    """The member is in.

    Attributes:
        nonces: of all who are in the room, the new member's too.
    """

    KIND: ClassVar[RoomKind] = RoomKind.WELCOME
    nonces: tuple[bytes, ...]

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return b"".join(self.nonces)

    @classmethod
    def from_body(cls, body: bytes) -> Welcome:
        """Inverse of :meth:`to_body`."""
        return cls(_nonces(body))


@dataclass(frozen=True)
class Joined:
    """Somebody came in."""

    KIND: ClassVar[RoomKind] = RoomKind.JOINED
    nonce: bytes

    @property
    def member(self) -> int:
        """The member's number."""
        return member_id(self.nonce)

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return self.nonce

    @classmethod
    def from_body(cls, body: bytes) -> Joined:
        """Inverse of :meth:`to_body`."""
        if len(body) < NONCE_BYTES:
            raise WireError(f"a nonce has {len(body)} bytes, expected {NONCE_BYTES}")
        return cls(body[:NONCE_BYTES])


@dataclass(frozen=True)
class Left:
    """Somebody went out."""

    KIND: ClassVar[RoomKind] = RoomKind.LEFT
    member: int

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _NUMBER.pack(self.member)

    @classmethod
    def from_body(cls, body: bytes) -> Left:
        """Inverse of :meth:`to_body`."""
        return cls(_number(body))


@dataclass(frozen=True)
class Moved:
    """The relay is about to stop: connect again, best to another one."""

    KIND: ClassVar[RoomKind] = RoomKind.MOVED

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return b""

    @classmethod
    def from_body(cls, body: bytes) -> Moved:
        """Inverse of :meth:`to_body`."""
        return cls()


@dataclass(frozen=True)
class Refused:
    """The relay's last word."""

    KIND: ClassVar[RoomKind] = RoomKind.REFUSED
    reason: RoomReason
    text: str

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return bytes([self.reason]) + put_text(printable(self.text, _MAX_TEXT_BYTES))

    @classmethod
    def from_body(cls, body: bytes) -> Refused:
        """Inverse of :meth:`to_body`."""
        if not body:
            raise WireError("refused message has no reason")
        text, _ = take_text(body[1:], _MAX_TEXT_BYTES, "refused")
        return cls(RoomReason.from_code(body[0]), printable(text, _MAX_TEXT_BYTES))


@dataclass(frozen=True)
class Ping:
    """Asks for a :class:`Pong` with the same time."""

    KIND: ClassVar[RoomKind] = RoomKind.PING
    time_us: int

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _PING.pack(self.time_us)

    @classmethod
    def from_body(cls, body: bytes) -> Ping:
        """Inverse of :meth:`to_body`."""
        return cls(_time(body))


@dataclass(frozen=True)
class Pong:
    """Answer to a :class:`Ping`."""

    KIND: ClassVar[RoomKind] = RoomKind.PONG
    time_us: int

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _PING.pack(self.time_us)

    @classmethod
    def from_body(cls, body: bytes) -> Pong:
        """Inverse of :meth:`to_body`."""
        return cls(_time(body))


@dataclass(frozen=True)
class Lagging(ShareMessage):
    """Some who hear the room are too slow for it, and lose audio.

    Attributes:
        percent: how much, of the one who loses most and can still be helped.
    """

    KIND: ClassVar[RoomKind] = RoomKind.LAGGING


@dataclass(frozen=True)
class Roster:
    """Who is in a room by way of one relay. Relays tell each other every few seconds, so that who
    came before, and who is gone with a relay that died, is known without a memory anywhere.

    Attributes:
        relay: 8 random bytes of the relay that tells.
        nonces: of its members, maybe none.
    """

    KIND: ClassVar[RoomKind] = RoomKind.ROSTER
    relay: bytes
    nonces: tuple[bytes, ...]

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _RELAY.pack(self.relay) + b"".join(self.nonces)

    @classmethod
    def from_body(cls, body: bytes) -> Roster:
        """Inverse of :meth:`to_body`."""
        if len(body) < _RELAY.size:
            raise WireError("roster message is cut within the relay that tells it")
        return cls(body[: _RELAY.size], _nonces(body[_RELAY.size :]))


@dataclass(frozen=True)
class Sent:
    """What a member sends to all others; the relay puts the member's number in front.

    Attributes:
        kind: AUDIO, VOICE or CONTROL.
        payload: a sealed message; of CONTROL, its counter first, four bytes of it: who came late
            has not seen the others.
    """

    kind: RoomKind
    payload: bytes

    def to_relay(self) -> bytes:
        """The message on its way to the relay."""
        return bytes([self.kind]) + self.payload

    def forwarded(self, member: int) -> bytes:
        """The message on its way to the others."""
        return bytes([self.kind]) + _NUMBER.pack(member) + self.payload

    @classmethod
    def control(cls, counter: int, sealed: bytes) -> Sent:
        """A sealed control message."""
        return cls(RoomKind.CONTROL, _NUMBER.pack(counter) + sealed)


@dataclass(frozen=True)
class Audio:
    """Sealed audio of a member.

    Attributes:
        member: who sent it, as the relay says.
        voiced: whether the sender says that it holds voice.
        sealed: the sealed message.
    """

    member: int
    voiced: bool
    sealed: bytes


@dataclass(frozen=True)
class Control:
    """A sealed control message of a member, and its counter."""

    member: int
    counter: int
    sealed: bytes


@dataclass(frozen=True)
class Unknown:
    """A message of a later version."""

    kind: int


RelayMessage: TypeAlias = (
    Challenge
    | Join
    | Welcome
    | Joined
    | Left
    | Moved
    | Refused
    | Ping
    | Pong
    | Roster
    | Lagging
    | CodeMessage
    | PathMessage
)
_CLASSES: dict[int, type[RelayMessage]] = {
    each.KIND: each
    for each in (
        Challenge, Join, Welcome, Joined, Left, Moved, Refused, Ping, Pong, Roster, Lagging,
        *CODE_CLASSES, *PATH_CLASSES,
    )
}  # fmt: skip
_SENT = (RoomKind.AUDIO, RoomKind.VOICE, RoomKind.CONTROL)


def encode(message: RelayMessage) -> bytes:
    """Bytes of a message: its kind, then its body."""
    return bytes([message.KIND]) + message.to_body()


def decode(
    data: bytes, *, from_member: bool = False
) -> RelayMessage | Audio | Control | Sent | Unknown:
    """A message's meaning.

    Args:
        data: the whole message.
        from_member: whether it comes from a member, whose media carry no number yet.

    Raises:
        WireError: it is malformed.
        HandshakeError: it is of another version of the protocol.
    """
    if not data:
        raise WireError("the message is empty")
    kind, body = data[0], data[1:]
    if kind in _SENT:
        if from_member:
            return Sent(RoomKind(kind), body)
        member, sealed = _number(body), body[_NUMBER.size :]
        if kind == RoomKind.CONTROL:
            return Control(member, _number(sealed), sealed[_NUMBER.size :])
        return Audio(member, kind == RoomKind.VOICE, sealed)
    found = _CLASSES.get(kind)
    return found.from_body(body) if found is not None else Unknown(kind)


def _check_start(body: bytes, size: int) -> None:
    if body[:4] != _MAGIC:
        raise WireError("the message does not begin as one of a relay: is this one?")
    if len(body) > 4 and body[4] != ROOM_VERSION:
        raise HandshakeError(
            f"the other side speaks version {body[4]} of the relay protocol, this one "
            f"{ROOM_VERSION}: install the same version of q2d2-stream on both"
        )
    if len(body) < size:
        raise WireError(f"a message has {len(body)} bytes after its kind, expected {size}")


def _nonces(data: bytes) -> tuple[bytes, ...]:
    if len(data) % NONCE_BYTES or len(data) > MAX_MEMBERS * NONCE_BYTES:
        raise WireError(
            f"a list of members has {len(data)} bytes, expected a multiple of {NONCE_BYTES}, "
            f"{MAX_MEMBERS} members at most"
        )
    return tuple(data[at : at + NONCE_BYTES] for at in range(0, len(data), NONCE_BYTES))


def _number(body: bytes) -> int:
    if len(body) < _NUMBER.size:
        raise WireError("a message is cut within the number of its member")
    return int(_NUMBER.unpack_from(body)[0])


def _time(body: bytes) -> int:
    if len(body) < _PING.size:
        raise WireError("a ping or pong is cut within its time")
    return int(_PING.unpack_from(body)[0])
