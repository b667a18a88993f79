"""What a room's secret makes: its name, the key to its door, and keys for what is said in it.

    secret -- HKDF "admission" --> Ed25519 key -- SHA-256 of its public half --> room id
           `- HKDF "media" ------> base --------- HKDF "member" | nonce -------> one member's keys
           `- HKDF "fingerprint" > eight digits that two people can compare

The relay is shown the room id, the public half and a signature: it can tell who belongs into the
room, and learns nothing of the media keys. Every member draws a nonce for every connection, so no
two senders and no two connections share a key, and no counter meets the same key twice.
"""

from __future__ import annotations

import hashlib
import secrets

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from q2d2_stream.protocol.sealing import DirectionKeys
from q2d2_stream.protocol.sframe import BASE_KEY_BYTES

__all__ = [
    "NONCE_BYTES",
    "ROOM_ID_BYTES",
    "RoomKeys",
    "derive",
    "member_id",
    "room_id_of",
    "verify_admission",
]

ROOM_ID_BYTES = 16
NONCE_BYTES = 16
_LABEL = b"q2d2-stream room 1 "
_MEMBER_ID_BYTES = 4


def room_id_of(public_key: bytes) -> bytes:
    """The room whose admission key this is: nobody can enter, or occupy, another's."""
    return hashlib.sha256(_LABEL + b"id" + public_key).digest()[:ROOM_ID_BYTES]


def member_id(nonce: bytes) -> int:
    """A member's number in messages: 32 bits of its nonce."""
    return int.from_bytes(nonce[:_MEMBER_ID_BYTES], "big")


def _admission_text(challenge: bytes, room_id: bytes, nonce: bytes) -> bytes:
    return _LABEL + b"join" + challenge + room_id + nonce


def verify_admission(
    public_key: bytes, signature: bytes, challenge: bytes, room_id: bytes, nonce: bytes
) -> bool:
    """Whether a member may enter: the relay's part, without the room's secret."""
    if room_id_of(public_key) != room_id:
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
        key.verify(signature, _admission_text(challenge, room_id, nonce))
    except (InvalidSignature, ValueError):
        return False
    return True


class RoomKeys:
    """The keys of one room.

    Args:
        secret: 16 bytes of a :class:`q2d2_stream.rooms.link.RoomLink`.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._admission = Ed25519PrivateKey.from_private_bytes(self._derive(b"admission", 32))
        self._media = self._derive(b"media", 32)
        public = self._admission.public_key()
        self.public_key = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.room_id = room_id_of(self.public_key)

    def __repr__(self) -> str:
        return f"RoomKeys({self.room_id.hex()})"

    @property
    def fingerprint(self) -> str:
        """Eight digits: equal for all who hold the same link, ``"4711 0815"``."""
        number = int.from_bytes(self._derive(b"fingerprint", 8), "big") % 10**8
        return f"{number // 10_000:04d} {number % 10_000:04d}"

    @staticmethod
    def new_nonce() -> bytes:
        """A member's nonce for one connection."""
        return secrets.token_bytes(NONCE_BYTES)

    def sign_admission(self, challenge: bytes, nonce: bytes) -> bytes:
        """64 bytes that let the member with ``nonce`` in, for this challenge of a relay only."""
        return self._admission.sign(_admission_text(challenge, self.room_id, nonce))

    def member_keys(self, nonce: bytes) -> DirectionKeys:
        """The keys of what the member with ``nonce`` sends."""

        def expand(stream: bytes) -> bytes:
            return derive(self._media, b"member " + stream + b" " + nonce, BASE_KEY_BYTES)

        return DirectionKeys(audio=expand(b"audio"), control=expand(b"control"))

    def _derive(self, name: bytes, size: int) -> bytes:
        return derive(self._secret, name, size)


def derive(secret: bytes, name: bytes, size: int) -> bytes:
    """HKDF-SHA256 with an empty salt; ``name`` tells the uses of a secret apart."""
    return HKDF(SHA256(), size, salt=None, info=_LABEL + name).derive(secret)
