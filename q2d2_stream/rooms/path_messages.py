"""What a member and a relay say by websocket about the datagrams beside it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from q2d2_stream.errors import WireError
from q2d2_stream.rooms.kinds import RoomKind
from q2d2_stream.rooms.share_message import ShareMessage

__all__ = [
    "KEY_BYTES",
    "PATH_CLASSES",
    "TOKEN_BYTES",
    "Lossy",
    "PathAsk",
    "PathMessage",
    "PathOffer",
]

TOKEN_BYTES = 8
KEY_BYTES = 16
_PORT = struct.Struct("<H")
_OFFER = struct.Struct(f"<H{TOKEN_BYTES}s{KEY_BYTES}s{KEY_BYTES}s")


@dataclass(frozen=True)
class PathAsk:
    """A member asks for a way by UDP; the relay answers with a :class:`PathOffer`."""

    KIND: ClassVar[RoomKind] = RoomKind.PATH_ASK

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return b""

    @classmethod
    def from_body(cls, body: bytes) -> PathAsk:
        """Inverse of :meth:`to_body`."""
        return cls()


@dataclass(frozen=True)
class PathOffer:
    """The relay takes datagrams of this member, or none.

    Attributes:
        port: at the address that the websocket goes to; 0: there is no way by UDP.
        token: in front of what the member asks and answers.
        member_key, relay_key: of what each of them sends.
    """

    KIND: ClassVar[RoomKind] = RoomKind.PATH_OFFER
    port: int = 0
    token: bytes = field(default=b"", repr=False)
    member_key: bytes = field(default=b"", repr=False)
    relay_key: bytes = field(default=b"", repr=False)

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        if not self.port:
            return _PORT.pack(0)
        return _OFFER.pack(self.port, self.token, self.member_key, self.relay_key)

    @classmethod
    def from_body(cls, body: bytes) -> PathOffer:
        """Inverse of :meth:`to_body`."""
        if len(body) < _PORT.size:
            raise WireError("an offer of datagrams is cut within its port")
        if not _PORT.unpack_from(body)[0]:
            return cls()
        if len(body) < _OFFER.size:
            raise WireError(f"an offer of datagrams has {len(body)} bytes, expected {_OFFER.size}")
        return cls(*_OFFER.unpack_from(body))


@dataclass(frozen=True)
class Lossy(ShareMessage):
    """Some who hear the room by UDP lose datagrams on their way from the relay.

    Attributes:
        percent: how many, of the one who loses most.
    """

    KIND: ClassVar[RoomKind] = RoomKind.LOSSY


PathMessage: TypeAlias = PathAsk | PathOffer | Lossy
PATH_CLASSES: tuple[type[PathMessage], ...] = (PathAsk, PathOffer, Lossy)
