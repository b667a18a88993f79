"""Datagrams between a member and its relay, beside their websocket.

    audio       | kind 2 bits, counter 14 bits | body of the websocket's message | tag 4 |
    ECHO        | kind, counter | newest counter u16, received u16 | tag 4 |
    PATH        | kind, counter | ask u32, answer u32 | newest counter u16, received u16 | tag 8 |

The tag is BLAKE2s with the key of that direction, over all 64 bits of the counter and the datagram.
What is said is sealed from end to end already: the tag keeps strangers, replays and forged
addresses out, for a third of the processor that HMAC-SHA-256 takes. A forged word is noise that
nobody opens, so 4 bytes are enough for it; what proves an address has 8.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from enum import IntEnum

from q2d2_stream.errors import SealError, WireError
from q2d2_stream.protocol.replay import COUNTER_BITS, ReplayWindow, unwrap
from q2d2_stream.rooms.kinds import RoomKind

__all__ = [
    "Datagram",
    "DatagramKind",
    "DatagramOpener",
    "DatagramSealer",
    "EchoBody",
    "PathBody",
]

_HEAD_BYTES = 2
_COUNTER = struct.Struct("<Q")
_ECHO = struct.Struct("<HH")
_PATH = struct.Struct("<II")


class DatagramKind(IntEnum):
    """The first two bits."""

    PATH = 0
    ECHO = 1
    AUDIO = 2
    VOICE = 3


_ALL_KINDS = tuple(DatagramKind)
_ROOM_KINDS = {DatagramKind.AUDIO: RoomKind.AUDIO, DatagramKind.VOICE: RoomKind.VOICE}
_KINDS = {int(room): kind for kind, room in _ROOM_KINDS.items()}
_TAGS = {kind: 8 if kind is DatagramKind.PATH else 4 for kind in DatagramKind}  # bytes
_STARTS = {kind: bytes([room]) for kind, room in _ROOM_KINDS.items()}


@dataclass(frozen=True, slots=True)
class Datagram:
    """One that was opened.

    Attributes:
        kind: of it.
        counter: all of it.
        body: between head and tag.
    """

    kind: DatagramKind
    counter: int
    body: bytes

    @property
    def message(self) -> bytes:
        """Of audio: the message as the websocket carries it."""
        return _STARTS[self.kind] + self.body


@dataclass(frozen=True, slots=True)
class EchoBody:
    """What came of the other side's datagrams.

    Attributes:
        newest: highest counter, its low 14 bits.
        received: how many in all, modulo 2**16.
    """

    newest: int
    received: int

    def to_bytes(self) -> bytes:
        """The body."""
        return _ECHO.pack(self.newest % (1 << COUNTER_BITS), self.received & 0xFFFF)

    @classmethod
    def from_bytes(cls, body: bytes) -> EchoBody:
        """Inverse of :meth:`to_bytes`; WireError where it is cut."""
        if len(body) < _ECHO.size:
            raise WireError(f"an echo has {len(body)} bytes, expected {_ECHO.size}")
        newest, received = _ECHO.unpack_from(body)
        return cls(newest % (1 << COUNTER_BITS), received)


@dataclass(frozen=True, slots=True)
class PathBody:
    """A question whether this way works, the answer to one, or both, and an echo.

    Attributes:
        ask, answer: numbers; 0 for what it is not.
        echo: as an echo that goes alone; a sender who has stopped in doubt hears no other.
    """

    ask: int
    answer: int
    echo: EchoBody

    def to_bytes(self) -> bytes:
        """The body."""
        return _PATH.pack(self.ask, self.answer) + self.echo.to_bytes()

    @classmethod
    def from_bytes(cls, body: bytes) -> PathBody:
        """Inverse of :meth:`to_bytes`; WireError where it is cut."""
        if len(body) < _PATH.size:
            raise WireError(f"a question has {len(body)} bytes, expected {_PATH.size} and an echo")
        ask, answer = _PATH.unpack_from(body)
        return cls(ask, answer, EchoBody.from_bytes(body[_PATH.size :]))


class DatagramSealer:
    """Makes the datagrams of one direction.

    Args:
        key: of it, 16 bytes.

    Attributes:
        next_counter: of the next datagram.
    """

    def __init__(self, key: bytes) -> None:
        self.next_counter = 0
        self._key = key

    def seal(self, kind: DatagramKind, body: bytes) -> bytes:
        """A datagram."""
        counter = self.next_counter
        self.next_counter = counter + 1
        head = (kind << COUNTER_BITS | counter % (1 << COUNTER_BITS)).to_bytes(2, "big")
        data = head + body
        return data + _tag(self._key, counter, data, _TAGS[kind])

    def seal_message(self, message: bytes) -> bytes:
        """A datagram in place of a message of audio of the websocket."""
        return self.seal(_KINDS[message[0]], message[1:])


class DatagramOpener:
    """Opens the datagrams of one direction, each once.

    Args:
        key: of it, 16 bytes.

    Attributes:
        received: datagrams that opened.
    """

    def __init__(self, key: bytes) -> None:
        self.received = 0
        self._key = key
        self._window = ReplayWindow(0)

    @property
    def newest(self) -> int:
        """Highest counter that came; -1 before the first."""
        return self._window.highest

    @property
    def echo(self) -> EchoBody:
        """What to tell the other side."""
        return EchoBody(max(0, self.newest), self.received)

    def open(self, data: bytes) -> Datagram:
        """The datagram; SealError for what is forged, or came before: nothing has changed then."""
        if len(data) < _HEAD_BYTES:
            raise SealError(f"a datagram has {len(data)} bytes")
        head = data[0] << 8 | data[1]
        kind = _ALL_KINDS[head >> COUNTER_BITS]
        end = len(data) - _TAGS[kind]
        if end < _HEAD_BYTES:
            raise SealError(f"a datagram has {len(data)} bytes")
        counter = unwrap(head % (1 << COUNTER_BITS), self._window.highest + 1)
        if counter < 0 or not self._window.is_new(counter):
            raise SealError("a datagram came again, or too late to tell", is_replay=True)
        tag = _tag(self._key, counter, data[:end], len(data) - end)
        if not hmac.compare_digest(tag, data[end:]):
            raise SealError("a datagram has another tag")
        self._window.add(counter)
        self.received += 1
        return Datagram(kind, counter, data[_HEAD_BYTES:end])


def _tag(key: bytes, counter: int, data: bytes, size: int) -> bytes:
    return hashlib.blake2s(_COUNTER.pack(counter) + data, key=key, digest_size=size).digest()
