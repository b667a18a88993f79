"""The messages of a running call, and the bytes of every message (docs/reference/protocol.md).

A message is one kind byte and a body, little-endian. Bodies of fixed fields may be longer than
this version knows: the rest is ignored, so that fields can be added. Only audio must fit exactly.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self, TypeAlias, TypedDict

from q2d2_stream.errors import InputError, WireError
from q2d2_stream.protocol.fields import U32_MAX, check_range, printable, put_text, take, take_text
from q2d2_stream.protocol.hello import MAX_FRAMES_PER_MESSAGE, Bye, Hello, Proof, Refuse
from q2d2_stream.protocol.kinds import Kind

__all__ = [
    "AUDIO_HEADER_BYTES",
    "MAX_TEXT_BYTES",
    "Audio",
    "AudioCoded",
    "AudioSize",
    "Message",
    "Mute",
    "Ping",
    "Pong",
    "ReceiverReport",
    "Text",
    "Unknown",
    "audio_size",
    "decode",
    "encode",
]

MAX_TEXT_BYTES = 1000

_AUDIO = struct.Struct("<BII")
_PING = struct.Struct("<Q")
_PONG = struct.Struct("<QI")
_REPORT = struct.Struct("<IIIHHHh")
_MUTE = struct.Struct("<B")

AUDIO_HEADER_BYTES = 1 + _AUDIO.size


@dataclass(frozen=True)
class Audio:
    """Frames of one rate, consecutive in sequence and in time.

    Attributes:
        sequence: number of the first frame among those meant to be sent, modulo 2**32; a gap
            is a loss.
        timestamp: number of the first frame among those captured, modulo 2**32; a gap that
            the sequence does not have is silence left unsent.
        rate: index into the configuration's rates, 0 to 3.
        frames: number of frames, 1 to 8.
        payload: the frames' indices as :func:`q2d2_stream.packing.pack` lays them out.
        start: the first frame begins a talk spurt.
        end: the last frame ends a talk spurt.
        dtx: a keep-alive inside silence; its sound is the background noise.
    """

    KIND: ClassVar[Kind] = Kind.AUDIO
    sequence: int
    timestamp: int
    rate: int
    frames: int
    payload: bytes
    start: bool = False
    end: bool = False
    dtx: bool = False

    def __post_init__(self) -> None:
        check_range("sequence", self.sequence, 0, U32_MAX)
        check_range("timestamp", self.timestamp, 0, U32_MAX)
        check_range("rate", self.rate, 0, 3)
        check_range("frames", self.frames, 1, MAX_FRAMES_PER_MESSAGE)

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        head = self.frames - 1 | self.rate << 3 | self.start << 5 | self.end << 6 | self.dtx << 7
        return _AUDIO.pack(head, self.sequence, self.timestamp) + self.payload

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Inverse of :meth:`to_body`; whether the payload fits is checked by the session."""
        return cls(**_audio_header(body), payload=body[_AUDIO.size :])


class _AudioHeader(TypedDict):
    sequence: int
    timestamp: int
    rate: int
    frames: int
    start: bool
    end: bool
    dtx: bool


def _audio_header(body: bytes) -> _AudioHeader:
    """All of an audio message's fields but its payload."""
    head, sequence, timestamp = take(_AUDIO, body, "audio")
    return {
        "sequence": sequence,
        "timestamp": timestamp,
        "rate": head >> 3 & 3,
        "frames": (head & 7) + 1,
        "start": bool(head >> 5 & 1),
        "end": bool(head >> 6 & 1),
        "dtx": bool(head >> 7 & 1),
    }


@dataclass(frozen=True)
class AudioCoded(Audio):
    """As :class:`Audio`, but the payload is entropy coded: :mod:`q2d2_stream.entropy`.

    For a peer whose hello told the same tables.
    """

    KIND: ClassVar[Kind] = Kind.AUDIO_CODED


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
class Unknown:
    """A message of a kind that this version does not know; to be ignored."""

    kind: int


Message: TypeAlias = (
    Hello | Proof | Refuse | Bye | Audio | AudioCoded | Ping | Pong | ReceiverReport | Mute | Text
)

_CLASSES: dict[int, type[Message]] = {
    cls.KIND: cls
    for cls in (
        Hello, Proof, Refuse, Bye, Audio, AudioCoded, Ping, Pong, ReceiverReport, Mute, Text
    )
}  # fmt: skip


def encode(message: Message) -> bytes:
    """Bytes of a message: its kind, then its body."""
    return bytes([message.KIND]) + message.to_body()


def decode(data: bytes) -> Message | Unknown:
    """Message of ``data``, one whole websocket message.

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


class AudioSize(NamedTuple):
    """What an audio message carries: frames of a rate, in so many bytes after its header."""

    rate: int
    frames: int
    payload_bytes: int


def audio_size(data: bytes) -> AudioSize | None:
    """What is in a message as it is on the wire; None for all but audio."""
    if len(data) < AUDIO_HEADER_BYTES or data[0] not in (Kind.AUDIO, Kind.AUDIO_CODED):
        return None
    header = _audio_header(data[1:])
    return AudioSize(header["rate"], header["frames"], len(data) - AUDIO_HEADER_BYTES)
