"""What is said to come from a short code to the link of a room.

    joiner                      relay                          member who shows the code
      |                           | <------------------ open ---- |
      |                           | ---- number --------------->  |
      | -- ask: number, share --> | ---- guess: share --------->  |
      | <--------------- answer - | <---------------- answer ---- |
      | -- confirm -------------> | ---- confirm -------------->  |  right? else counted
      | <---------------- grant - | <----------------- grant ---- |  the link, sealed

The relay carries it, and learns nothing of code, link or keys (:mod:`q2d2_stream.rooms.code_keys`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Self, TypeAlias

from q2d2_stream.errors import HandshakeError, WireError
from q2d2_stream.rooms.kinds import RoomKind

__all__ = [
    "CODE_CLASSES",
    "CONFIRMATION_BYTES",
    "MAX_SEALED_LINK_BYTES",
    "REPLY_BYTES",
    "SHARE_BYTES",
    "CodeAnswer",
    "CodeAsk",
    "CodeClaim",
    "CodeClose",
    "CodeConfirm",
    "CodeGrant",
    "CodeGuess",
    "CodeMessage",
    "CodeNumber",
    "CodeOpen",
    "CodeTaken",
    "CodeVia",
]

SHARE_BYTES = 33
CONFIRMATION_BYTES = 16
MAX_SEALED_LINK_BYTES = 1024
REPLY_BYTES = 16
_MAGIC, _VERSION = b"Q2RM", 1
_NUMBER = struct.Struct("<H")
_ASK = struct.Struct(f"<4sBH{SHARE_BYTES}s")
_GUESS = struct.Struct("<I")
_RELAY = struct.Struct("<8s")


@dataclass(frozen=True)
class CodeOpen:
    """A member asks for a number to show."""

    KIND: ClassVar[RoomKind] = RoomKind.CODE_OPEN

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return b""

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Inverse of :meth:`to_body`."""
        return cls()


@dataclass(frozen=True)
class CodeClose(CodeOpen):
    """A member shows its code no longer."""

    KIND: ClassVar[RoomKind] = RoomKind.CODE_CLOSE


@dataclass(frozen=True)
class CodeNumber:
    """The number that a member may show; 0: there is none."""

    KIND: ClassVar[RoomKind] = RoomKind.CODE_NUMBER
    number: int

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _NUMBER.pack(self.number)

    @classmethod
    def from_body(cls, body: bytes) -> CodeNumber:
        """Inverse of :meth:`to_body`."""
        _check(body, _NUMBER.size)
        return cls(int(_NUMBER.unpack_from(body)[0]))


@dataclass(frozen=True)
class CodeAsk:
    """In place of JOIN: somebody was read a code.

    Attributes:
        number: of the code.
        share: 33 bytes, the joiner's part of the key exchange.
    """

    KIND: ClassVar[RoomKind] = RoomKind.CODE_ASK
    number: int
    share: bytes

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _ASK.pack(_MAGIC, _VERSION, self.number, self.share)

    @classmethod
    def from_body(cls, body: bytes) -> CodeAsk:
        """Inverse of :meth:`to_body`; HandshakeError for another version."""
        if body[:4] != _MAGIC:
            raise WireError("the message does not begin as one for a relay")
        if len(body) > 4 and body[4] != _VERSION:
            raise HandshakeError(
                f"the other side speaks version {body[4]} of the relay protocol, this one "
                f"{_VERSION}: install the same version of q2d2-stream on both"
            )
        _check(body, _ASK.size)
        _, _, number, share = _ASK.unpack_from(body)
        return cls(number, share)


@dataclass(frozen=True)
class _OfGuess:
    """A step of one guess.

    Attributes:
        guess: number between the member and its relay; what a joiner sends there is ignored.
        data: what :mod:`q2d2_stream.rooms.code_keys` makes of it.
    """

    KIND: ClassVar[RoomKind]
    DATA_BYTES: ClassVar[int]
    guess: int
    data: bytes

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _GUESS.pack(self.guess) + self.data

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Inverse of :meth:`to_body`."""
        end = _GUESS.size + cls.DATA_BYTES
        _check(body, end)
        return cls(int(_GUESS.unpack_from(body)[0]), body[_GUESS.size : end])


@dataclass(frozen=True)
class CodeGuess(_OfGuess):
    """Somebody guesses at the code that a member shows: the joiner's share."""

    KIND: ClassVar[RoomKind] = RoomKind.CODE_GUESS
    DATA_BYTES: ClassVar[int] = SHARE_BYTES


@dataclass(frozen=True)
class CodeAnswer(_OfGuess):
    """The member's share."""

    KIND: ClassVar[RoomKind] = RoomKind.CODE_ANSWER
    DATA_BYTES: ClassVar[int] = SHARE_BYTES


@dataclass(frozen=True)
class CodeConfirm(_OfGuess):
    """The joiner shows that it has the same key."""

    KIND: ClassVar[RoomKind] = RoomKind.CODE_CONFIRM
    DATA_BYTES: ClassVar[int] = CONFIRMATION_BYTES


@dataclass(frozen=True)
class CodeGrant(_OfGuess):
    """The link, sealed; nothing where the code was wrong, or is shown no longer."""

    KIND: ClassVar[RoomKind] = RoomKind.CODE_GRANT

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Inverse of :meth:`to_body`."""
        _check(body, _GUESS.size)
        guess, data = int(_GUESS.unpack_from(body)[0]), body[_GUESS.size :]
        if len(data) > MAX_SEALED_LINK_BYTES:
            raise WireError(
                f"a sealed link has {len(data)} bytes, expected at most {MAX_SEALED_LINK_BYTES}"
            )
        return cls(guess, data)


@dataclass(frozen=True)
class CodeClaim:
    """A relay is about to give a number away: does another one have it?"""

    KIND: ClassVar[RoomKind] = RoomKind.CODE_CLAIM
    relay: bytes

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _RELAY.pack(self.relay)

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Inverse of :meth:`to_body`."""
        _check(body, _RELAY.size)
        return cls(body[: _RELAY.size])


@dataclass(frozen=True)
class CodeTaken(CodeClaim):
    """Yes: the relay that claimed it must take another."""

    KIND: ClassVar[RoomKind] = RoomKind.CODE_TAKEN


@dataclass(frozen=True)
class CodeVia:
    """A message of a joiner at another relay.

    Attributes:
        reply: 16 random bytes, under which that relay hears the answers.
        message: of the joiner.
    """

    KIND: ClassVar[RoomKind] = RoomKind.CODE_VIA
    reply: bytes
    message: bytes

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return self.reply + self.message

    @classmethod
    def from_body(cls, body: bytes) -> CodeVia:
        """Inverse of :meth:`to_body`."""
        _check(body, REPLY_BYTES)
        return cls(body[:REPLY_BYTES], body[REPLY_BYTES:])


CodeMessage: TypeAlias = (
    CodeOpen
    | CodeNumber
    | CodeAsk
    | CodeGuess
    | CodeAnswer
    | CodeConfirm
    | CodeGrant
    | CodeClaim
    | CodeVia
)
CODE_CLASSES: tuple[type[CodeMessage], ...] = (
    CodeOpen,
    CodeClose,
    CodeNumber,
    CodeAsk,
    CodeGuess,
    CodeAnswer,
    CodeConfirm,
    CodeGrant,
    CodeClaim,
    CodeTaken,
    CodeVia,
)


def _check(body: bytes, size: int) -> None:
    if len(body) < size:
        raise WireError(f"a message has {len(body)} bytes after its kind, expected {size}")
