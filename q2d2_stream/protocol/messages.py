"""The control messages of a running call, and the bytes of every message but audio.

A message is one kind byte and a body, little-endian. Bodies of fixed fields may be longer than
this version knows: the rest is ignored, so that fields can be added.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Self, TypeAlias

from q2d2_stream.errors import InputError, WireError
from q2d2_stream.protocol.fields import U32_MAX, check_range, printable, put_text, take, take_text
from q2d2_stream.protocol.hello import Auth, Bye, Hello, Reject
from q2d2_stream.protocol.kinds import Kind

__all__ = [
    "MAX_TEXT_BYTES",
    "Echo",
    "Message",
    "Mute",
    "PathAnswer",
    "PathProbe",
    "Ping",
    "Pong",
    "ReceiverReport",
    "Text",
    "Unknown",
    "decode",
    "encode",
]

MAX_TEXT_BYTES = 1000

_PING = struct.Struct("<Q")
_PONG = struct.Struct("<QI")
_REPORT = struct.Struct("<IIIHHHh")
_MUTE = struct.Struct("<B")
_ECHO = struct.Struct("<HH")
_PATH = struct.Struct("<I")
_HELD_STEPS_PER_S = 4000


@dataclass(frozen=True)
class Ping:
    """Asks for a :class:`Pong`; ``time_us`` is the sender's clock, any origin, unsigned 64 bit."""

    KIND: ClassVar[Kind] = Kind.PING
    time_us: int

    def __post_init__(self) -> None:
        check_range("time_us", self.time_us, 0, 2**64 - 1)

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _PING.pack(self.time_us)

    @classmethod
    def from_body(cls, body: bytes) -> Ping:
        """Inverse of :meth:`to_body`."""
        return cls(*take(_PING, body, "ping"))


@dataclass(frozen=True)
class Pong:
    """Answers a :class:`Ping`: its ``time_us``, and how long it was held before the answer."""

    KIND: ClassVar[Kind] = Kind.PONG
    time_us: int
    held_us: int = 0

    def __post_init__(self) -> None:
        check_range("time_us", self.time_us, 0, 2**64 - 1)
        check_range("held_us", self.held_us, 0, U32_MAX)

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _PONG.pack(self.time_us, self.held_us)

    @classmethod
    def from_body(cls, body: bytes) -> Pong:
        """Inverse of :meth:`to_body`."""
        return cls(*take(_PONG, body, "pong"))


def _scaled(value: float, scale: float, low: int, high: int) -> int:
    # not-a-number compares false both ways and would reach round()
    return min(high, max(low, round(value * scale))) if abs(value) < 1e9 else high


@dataclass(frozen=True)
class ReceiverReport:
    """What the receiver hears; values beyond their field are sent as the field's limit.

    Attributes:
        sequence: highest sequence number received.
        received: frames received since the call began, modulo 2**32.
        lost: frames missing when they were to be played, since the call began, modulo 2**32.
        loss: share of frames lost since the last report, 0 to 1, steps of 0.0001.
        jitter_ms: arrival jitter, 0 to 6553.5 ms, steps of 0.1.
        delay_ms: delay of the playout buffer, 0 to 6553.5 ms, steps of 0.1.
        drift_ppm: sender's sound clock against the receiver's, -3276.7 to 3276.7 ppm.
    """

    KIND: ClassVar[Kind] = Kind.REPORT
    sequence: int
    received: int
    lost: int
    loss: float
    jitter_ms: float
    delay_ms: float
    drift_ppm: float

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _REPORT.pack(
            self.sequence & U32_MAX,
            self.received & U32_MAX,
            self.lost & U32_MAX,
            _scaled(self.loss, 10_000, 0, 10_000),
            _scaled(self.jitter_ms, 10, 0, 0xFFFF),
            _scaled(self.delay_ms, 10, 0, 0xFFFF),
            _scaled(self.drift_ppm, 10, -0x7FFF, 0x7FFF),
        )

    @classmethod
    def from_body(cls, body: bytes) -> ReceiverReport:
        """Inverse of :meth:`to_body`."""
        sequence, received, lost, loss, jitter, delay, drift = take(_REPORT, body, "report")
        share = min(loss, 10_000) / 10_000
        return cls(sequence, received, lost, share, jitter / 10, delay / 10, drift / 10)


@dataclass(frozen=True)
class Mute:
    """The sender's microphone is muted, or not any more."""

    KIND: ClassVar[Kind] = Kind.MUTE
    muted: bool

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _MUTE.pack(self.muted)

    @classmethod
    def from_body(cls, body: bytes) -> Mute:
        """Inverse of :meth:`to_body`."""
        return cls(bool(take(_MUTE, body, "mute")[0]))


@dataclass(frozen=True)
class Text:
    """A note of one line, up to 1000 bytes of UTF-8; unprintable characters are replaced."""

    KIND: ClassVar[Kind] = Kind.TEXT
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", printable(self.text, MAX_TEXT_BYTES))

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return put_text(self.text)

    @classmethod
    def from_body(cls, body: bytes) -> Text:
        """Inverse of :meth:`to_body`."""
        text, _ = take_text(body, MAX_TEXT_BYTES, "text")
        return cls(text)


@dataclass(frozen=True)
class Echo:
    """Names the newest audio message that came, by which the sender measures the link.

    Attributes:
        sequence: of its first frame; the low 16 bits travel.
        held_s: how long ago it came, 0 to 16.4 seconds, steps of 0.25 ms.
    """

    KIND: ClassVar[Kind] = Kind.ECHO
    sequence: int
    held_s: float

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        held = _scaled(self.held_s, _HELD_STEPS_PER_S, 0, 0xFFFF)
        return _ECHO.pack(self.sequence & 0xFFFF, held)

    @classmethod
    def from_body(cls, body: bytes) -> Echo:
        """Inverse of :meth:`to_body`, but for the high bits of the sequence number."""
        sequence, held = take(_ECHO, body, "echo")
        return cls(sequence, held / _HELD_STEPS_PER_S)


@dataclass(frozen=True)
class PathProbe:
    """Asks over another path for a :class:`PathAnswer` over the same path."""

    KIND: ClassVar[Kind] = Kind.PATH_PROBE
    number: int

    def __post_init__(self) -> None:
        check_range("number", self.number, 0, U32_MAX)

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _PATH.pack(self.number)

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Inverse of :meth:`to_body`."""
        return cls(*take(_PATH, body, "path message"))


@dataclass(frozen=True)
class PathAnswer(PathProbe):
    """Answers the probe of the same number."""

    KIND: ClassVar[Kind] = Kind.PATH_ANSWER


@dataclass(frozen=True)
class Unknown:
    """A message of a kind that this version does not know; to be ignored."""

    kind: int


Message: TypeAlias = (
    Hello | Auth | Reject | Bye | Ping | Pong | ReceiverReport | Mute | Text | Echo | PathProbe
)

_CLASSES: dict[int, type[Message]] = {
    cls.KIND: cls
    for cls in (
        Hello, Auth, Reject, Bye, Ping, Pong, ReceiverReport, Mute, Text, Echo, PathProbe,
        PathAnswer,
    )
}  # fmt: skip


def encode(message: Message) -> bytes:
    """Bytes of a message: its kind, then its body."""
    return bytes([message.KIND]) + message.to_body()


def decode(data: bytes) -> Message | Unknown:
    """Message of ``data``, one whole message of the handshake or one that was opened.

    Raises WireError for anything malformed, HandshakeError for a hello of another version.
    """
    if not data:
        raise WireError("message is empty, expected a kind byte")
    cls = _CLASSES.get(data[0])
    if cls is None:
        return Unknown(data[0])
    try:
        return cls.from_body(bytes(data[1:]))
    except InputError as error:
        raise WireError(f"{Kind(data[0]).name.lower()} message is malformed: {error}") from error
