"""The messages that open and end a call: hello, proof, refuse, bye (docs/reference/protocol.md)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from q2d2_stream.errors import HandshakeError, InputError, WireError
from q2d2_stream.protocol.fields import U32_MAX, check_range, printable, put_text, take, take_text
from q2d2_stream.protocol.kinds import Capability, Kind, Reason, Role

__all__ = ["MAX_FRAMES_PER_MESSAGE", "PROTOCOL_VERSION", "Bye", "Hello", "Proof", "Refuse"]

PROTOCOL_VERSION = 1
MAX_FRAMES_PER_MESSAGE = 8
_MAX_REASON_BYTES = 500
_MAX_MODEL_ID_BYTES = 64
_MAGIC = b"Q2D2"
_NO_CAPABILITY = Capability(0)

_HELLO = struct.Struct("<4sBBBBHI8s16s16s")
_HELLO_START = struct.Struct("<4sB")
_TABLES = struct.Struct("<I")
_PROOF = struct.Struct("<32s")
_REASON = struct.Struct("<B")


@dataclass(frozen=True)
class Hello:
    """First message of both sides; also the challenge, through its nonce.

    Attributes:
        role: the sender's role.
        model_id: name of the model, 1 to 64 bytes of UTF-8.
        model_hash: 8 bytes that differ when the weights or the lattice differ.
        rates: rates the sender can decode, ascending, each 0 to 7.
        frames_per_message: frames per audio message wanted, 1 to 8.
        call_id: 16 random bytes chosen by the client; the server repeats them.
        nonce: 16 random bytes, new for every connection.
        sequence: sequence number that the sender's next frame will have.
        capabilities: see :class:`Capability`.
        tables: checksum of the entropy tables the sender has; 0 for none, and then not sent.
    """

    KIND: ClassVar[Kind] = Kind.HELLO
    role: Role
    model_id: str
    model_hash: bytes
    rates: tuple[int, ...]
    frames_per_message: int
    call_id: bytes
    nonce: bytes
    sequence: int = 0
    capabilities: Capability = _NO_CAPABILITY
    tables: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "model_id", printable(self.model_id, _MAX_MODEL_ID_BYTES))
        if not self.model_id:
            raise InputError("model_id is empty, expected the name of a model")
        for name, size in (("model_hash", 8), ("call_id", 16), ("nonce", 16)):
            check_range(f"length of {name}", len(getattr(self, name)), size, size)
        if not self.rates or list(self.rates) != sorted(set(self.rates)):
            raise InputError(f"rates is {self.rates}, expected ascending rates, at least one")
        check_range("lowest rate", self.rates[0], 0, 7)
        check_range("highest rate", self.rates[-1], 0, 7)
        check_range("frames_per_message", self.frames_per_message, 1, MAX_FRAMES_PER_MESSAGE)
        check_range("sequence", self.sequence, 0, U32_MAX)
        check_range("capabilities", self.capabilities, 0, 0xFFFF)
        check_range("tables", self.tables, 0, U32_MAX)

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        fields = _HELLO.pack(
            _MAGIC,
            PROTOCOL_VERSION,
            self.role,
            sum(1 << rate for rate in self.rates),
            self.frames_per_message,
            self.capabilities,
            self.sequence,
            self.model_hash,
            self.call_id,
            self.nonce,
        )
        tables = _TABLES.pack(self.tables) if self.tables else b""
        return fields + put_text(self.model_id) + tables

    @classmethod
    def from_body(cls, body: bytes) -> Hello:
        """Inverse of :meth:`to_body`; HandshakeError for another protocol version."""
        if len(body) < _HELLO_START.size or body[:4] != _MAGIC:
            raise WireError("the hello does not begin with Q2D2: the peer is not a q2d2-stream")
        if body[4] != PROTOCOL_VERSION:
            raise HandshakeError(
                f"one side speaks protocol version {PROTOCOL_VERSION}, the other {body[4]}: "
                "install the same version of q2d2-stream on both"
            )
        values = _HELLO.unpack(body[: _HELLO.size]) if len(body) >= _HELLO.size else None
        if values is None:
            raise WireError(f"hello has {len(body)} bytes, expected at least {_HELLO.size}")
        _, _, role, rates, frames, capabilities, sequence, model_hash, call_id, nonce = values
        check_range("role", role, 0, 1)
        model_id, more = take_text(body[_HELLO.size :], _MAX_MODEL_ID_BYTES, "hello")
        return cls(
            role=Role(role),
            model_id=model_id,
            model_hash=model_hash,
            rates=tuple(rate for rate in range(8) if rates >> rate & 1),
            frames_per_message=frames,
            call_id=call_id,
            nonce=nonce,
            sequence=sequence,
            capabilities=Capability(capabilities),
            tables=_TABLES.unpack_from(more)[0] if len(more) >= _TABLES.size else 0,
        )


@dataclass(frozen=True)
class Proof:
    """Answer to the peer's nonce: 32 bytes of HMAC-SHA256 (:mod:`q2d2_stream.protocol.auth`)."""

    KIND: ClassVar[Kind] = Kind.PROOF
    mac: bytes

    def __post_init__(self) -> None:
        check_range("length of mac", len(self.mac), 32, 32)

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return self.mac

    @classmethod
    def from_body(cls, body: bytes) -> Proof:
        """Inverse of :meth:`to_body`."""
        take(_PROOF, body, "proof")
        return cls(body[: _PROOF.size])


@dataclass(frozen=True)
class _Ending:
    KIND: ClassVar[Kind]
    reason: Reason
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", printable(self.text, _MAX_REASON_BYTES))

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _REASON.pack(self.reason) + put_text(self.text)


@dataclass(frozen=True)
class Refuse(_Ending):
    """The handshake fails, or the listener is busy: a reason and a sentence for the user."""

    KIND: ClassVar[Kind] = Kind.REFUSE

    @classmethod
    def from_body(cls, body: bytes) -> Refuse:
        """Inverse of :meth:`to_body`."""
        return cls(*_ending(body, "refuse"))


@dataclass(frozen=True)
class Bye(_Ending):
    """The call ends: a reason and a sentence for the user."""

    KIND: ClassVar[Kind] = Kind.BYE

    @classmethod
    def from_body(cls, body: bytes) -> Bye:
        """Inverse of :meth:`to_body`."""
        return cls(*_ending(body, "bye"))


def _ending(body: bytes, what: str) -> tuple[Reason, str]:
    (code,) = take(_REASON, body, what)
    text, _ = take_text(body[_REASON.size :], _MAX_REASON_BYTES, what)
    return Reason.from_code(code), text
