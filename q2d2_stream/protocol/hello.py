"""The messages of the handshake: hello, auth, reject; and bye, which ends a call."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from q2d2_stream.errors import HandshakeError, InputError, WireError
from q2d2_stream.packet import MAX_PACKET_FRAMES, MAX_RATE
from q2d2_stream.protocol.fields import U32_MAX, check_range, printable, put_text, take, take_text
from q2d2_stream.protocol.key_exchange import Method
from q2d2_stream.protocol.key_schedule import CONFIRMATION_BYTES
from q2d2_stream.protocol.kinds import Capability, Kind, Reason, Role

__all__ = [
    "MAX_MODELS",
    "PROTOCOL_VERSION",
    "Auth",
    "Bye",
    "Hello",
    "ModelOffer",
    "Reject",
]

PROTOCOL_VERSION = 2
MAX_MODELS = 8
_MAX_REASON_BYTES = 500
_MAX_MODEL_ID_BYTES = 64
_MAGIC = b"Q2D2"
_NO_CAPABILITY = Capability(0)

_HELLO = struct.Struct("<4sBBBHBI16s16s")
_HELLO_START = struct.Struct("<4sB")
_MODEL = struct.Struct("<8sBI")
_COUNT = struct.Struct("<B")
_AUTH = struct.Struct(f"<{CONFIRMATION_BYTES}s")
_REASON = struct.Struct("<B")


@dataclass(frozen=True)
class ModelOffer:
    """A model that the sender of a hello can decode, and encode with.

    Attributes:
        model_id: its name, 1 to 64 bytes of UTF-8.
        model_hash: 8 bytes that differ when the weights or the lattice differ.
        rates: rates of its ladder that the sender can decode, ascending, each 0 to 6.
        tables: checksum of the entropy tables that the sender has for it; 0 for none.
    """

    model_id: str
    model_hash: bytes
    rates: tuple[int, ...]
    tables: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "model_id", printable(self.model_id, _MAX_MODEL_ID_BYTES))
        if not self.model_id:
            raise InputError("model_id is empty, expected the name of a model")
        check_range("length of model_hash", len(self.model_hash), 8, 8)
        if not self.rates or list(self.rates) != sorted(set(self.rates)):
            raise InputError(f"rates is {self.rates}, expected ascending rates, at least one")
        check_range("lowest rate", self.rates[0], 0, MAX_RATE)
        check_range("highest rate", self.rates[-1], 0, MAX_RATE)
        check_range("tables", self.tables, 0, U32_MAX)

    def __str__(self) -> str:
        return f"{self.model_id} ({self.model_hash.hex()})"

    def to_bytes(self) -> bytes:
        """As it stands in a hello."""
        name = self.model_id.encode()
        rates = sum(1 << rate for rate in self.rates)
        return _MODEL.pack(self.model_hash, rates, self.tables) + _COUNT.pack(len(name)) + name

    @classmethod
    def take(cls, data: bytes) -> tuple[ModelOffer, bytes]:
        """The offer at the start of ``data``, and what follows it."""
        if len(data) < _MODEL.size:
            raise WireError("hello is cut within a model, expected all of it")
        model_hash, rates, tables = _MODEL.unpack_from(data)
        name, rest = _take_short(data[_MODEL.size :])
        try:
            model_id = name.decode()
        except UnicodeDecodeError as error:
            raise WireError("hello names a model in bytes that are not UTF-8") from error
        listed = tuple(rate for rate in range(8) if rates >> rate & 1)
        return cls(model_id, model_hash, listed, tables), rest


@dataclass(frozen=True)
class Hello:
    """First message of both sides. All of it, as it was on the wire, goes into the keys.

    Attributes:
        role: the sender's role.
        method: how the keys are agreed on.
        share: the sender's part of the key exchange.
        models: what the sender can decode, its preferred one first, 1 to 8.
        frames_per_message: frames per audio message wanted, 1 to 16.
        call_id: 16 random bytes chosen by the client; the server repeats them.
        nonce: 16 random bytes, new for every connection.
        sequence: sequence number that the sender's next frame will have.
        capabilities: see :class:`Capability`.
    """

    KIND: ClassVar[Kind] = Kind.HELLO
    role: Role
    method: Method
    share: bytes
    models: tuple[ModelOffer, ...]
    frames_per_message: int
    call_id: bytes
    nonce: bytes
    sequence: int = 0
    capabilities: Capability = _NO_CAPABILITY

    def __post_init__(self) -> None:
        for name, size in (("call_id", 16), ("nonce", 16), ("share", self.method.share_bytes)):
            check_range(f"length of {name}", len(getattr(self, name)), size, size)
        check_range("number of models", len(self.models), 1, MAX_MODELS)
        check_range("frames_per_message", self.frames_per_message, 1, MAX_PACKET_FRAMES)
        check_range("sequence", self.sequence, 0, U32_MAX)
        check_range("capabilities", self.capabilities, 0, 0xFFFF)

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        fields = _HELLO.pack(
            _MAGIC,
            PROTOCOL_VERSION,
            self.role,
            self.method,
            self.capabilities,
            self.frames_per_message,
            self.sequence,
            self.call_id,
            self.nonce,
        )
        share = _COUNT.pack(len(self.share)) + self.share
        models = b"".join(model.to_bytes() for model in self.models)
        return fields + share + _COUNT.pack(len(self.models)) + models

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
        if len(body) < _HELLO.size:
            raise WireError(f"hello has {len(body)} bytes, expected at least {_HELLO.size}")
        (_, _, role, method, capabilities, frames, sequence, call_id, nonce) = _HELLO.unpack_from(
            body
        )
        check_range("role", role, 0, 1)
        check_range("method", method, 0, 1)
        share, rest = _take_short(body[_HELLO.size :])
        (count,) = take(_COUNT, rest, "hello")
        check_range("number of models", count, 1, MAX_MODELS)
        rest, models = rest[_COUNT.size :], []
        for _ in range(count):
            model, rest = ModelOffer.take(rest)
            models.append(model)
        return cls(
            role=Role(role),
            method=Method(method),
            share=share,
            models=tuple(models),
            frames_per_message=frames,
            call_id=call_id,
            nonce=nonce,
            sequence=sequence,
            capabilities=Capability(capabilities),
        )


@dataclass(frozen=True)
class Auth:
    """Confirms the keys: 16 bytes that only a side with the same ones can make."""

    KIND: ClassVar[Kind] = Kind.AUTH
    mac: bytes

    def __post_init__(self) -> None:
        check_range("length of mac", len(self.mac), CONFIRMATION_BYTES, CONFIRMATION_BYTES)

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return self.mac

    @classmethod
    def from_body(cls, body: bytes) -> Auth:
        """Inverse of :meth:`to_body`."""
        take(_AUTH, body, "auth")
        return cls(body[: _AUTH.size])


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
class Reject(_Ending):
    """The handshake fails, or the listener is busy: a reason and a sentence for the user."""

    KIND: ClassVar[Kind] = Kind.REJECT

    @classmethod
    def from_body(cls, body: bytes) -> Reject:
        """Inverse of :meth:`to_body`."""
        return cls(*_ending(body, "reject"))


@dataclass(frozen=True)
class Bye(_Ending):
    """The call ends: a reason and a sentence for the user."""

    KIND: ClassVar[Kind] = Kind.BYE

    @classmethod
    def from_body(cls, body: bytes) -> Bye:
        """Inverse of :meth:`to_body`."""
        return cls(*_ending(body, "bye"))


def _take_short(data: bytes) -> tuple[bytes, bytes]:
    """Bytes that begin with one byte of length, and what follows them."""
    (length,) = take(_COUNT, data, "hello")
    end = _COUNT.size + length
    if len(data) < end:
        raise WireError(f"hello claims a field of {length} bytes and is cut within it")
    return data[_COUNT.size : end], data[end:]


def _ending(body: bytes, what: str) -> tuple[Reason, str]:
    (code,) = take(_REASON, body, what)
    text, _ = take_text(body[_REASON.size :], _MAX_REASON_BYTES, what)
    return Reason.from_code(code), text
