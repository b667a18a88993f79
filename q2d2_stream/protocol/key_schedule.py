"""From the key exchange to the keys of one connection: HKDF over the whole handshake.

    transcript = SHA-256(label | client's HELLO | server's HELLO | TLS channel), with lengths
    root       = HKDF-Extract(salt = transcript, shared secret | the call's resumption secret)
    key(name)  = HKDF-Expand(root, "q2d2-stream 2 " name)

Whatever the two sides did not see alike, a version, a model, a capability, a nonce, gives other
keys, and the first message that confirms them fails.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from q2d2_stream.protocol.kinds import Role
from q2d2_stream.protocol.sealing import DirectionKeys
from q2d2_stream.protocol.sframe import BASE_KEY_BYTES

__all__ = [
    "CONFIRMATION_BYTES",
    "PATH_TOKEN_BYTES",
    "RESUMPTION_BYTES",
    "KeySchedule",
    "transcript_hash",
]

CONFIRMATION_BYTES = 16
RESUMPTION_BYTES = 32
PATH_TOKEN_BYTES = 8
_LABEL = b"q2d2-stream 2 "
_LENGTH = struct.Struct(">I")


def transcript_hash(client_hello: bytes, server_hello: bytes, channel: bytes = b"") -> bytes:
    """SHA-256 over what both sides saw.

    Args:
        client_hello, server_hello: the messages as they were on the wire.
        channel: what names the TLS connection below; empty when there is none, or when a side
            cannot tell.
    """
    transcript = hashlib.sha256(_LABEL + b"transcript")
    for part in (client_hello, server_hello, channel):
        transcript.update(_LENGTH.pack(len(part)) + part)
    return transcript.digest()


class KeySchedule:
    """The keys of one connection.

    Args:
        shared: 32 bytes that the key exchange gave.
        transcript: as :func:`transcript_hash` gives it.
        resumption: the secret of the call that goes on, empty for a new one.
    """

    def __init__(self, shared: bytes, transcript: bytes, resumption: bytes = b"") -> None:
        # HKDF-Extract is one HMAC, keyed by the salt (RFC 5869, 2.2)
        self._root = hmac.digest(transcript, shared + resumption, "sha256")

    def confirmation(self, role: Role) -> bytes:
        """16 bytes by which ``role`` shows that it has the same keys."""
        return self._expand(f"{role.name.lower()} confirmation", CONFIRMATION_BYTES)

    def confirms(self, mac: bytes, role: Role) -> bool:
        """Whether ``mac`` is what ``role`` must send; takes the same time either way."""
        return hmac.compare_digest(mac, self.confirmation(role))

    def direction(self, sender: Role) -> DirectionKeys:
        """Base keys of what ``sender`` sends."""
        name = sender.name.lower()
        return DirectionKeys(
            audio=self._expand(f"{name} audio", BASE_KEY_BYTES),
            control=self._expand(f"{name} control", BASE_KEY_BYTES),
        )

    def resumption(self) -> bytes:
        """32 bytes that a call keeps, so that only its two sides can carry it on."""
        return self._expand("resumption", RESUMPTION_BYTES)

    def path_token(self) -> bytes:
        """8 bytes that tell which connection a datagram belongs to, and nothing else."""
        return self._expand("path", PATH_TOKEN_BYTES)

    def _expand(self, name: str, size: int) -> bytes:
        return HKDFExpand(SHA256(), size, _LABEL + name.encode()).derive(self._root)
