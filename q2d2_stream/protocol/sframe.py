"""SFrame's ciphers: AES in counter mode with a short HMAC tag (RFC 9605, sections 4.4 and 4.5).

Only the cipher suites and the derivation of their keys; the header of SFrame is not used, as the
messages of a call carry their counter already (:mod:`q2d2_stream.protocol.sealing`). The
primitives are of the package ``cryptography`` and of Python's ``hmac``.
"""

from __future__ import annotations

import hmac
from enum import Enum

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from q2d2_stream.errors import SealError

__all__ = ["BASE_KEY_BYTES", "CipherSuite", "FrameCipher"]

BASE_KEY_BYTES = 16
_ENCRYPTION_KEY_BYTES = 16
_AUTHENTICATION_KEY_BYTES = 32
_NONCE_BYTES = 12


class CipherSuite(Enum):
    """Number in IANA's registry of SFrame cipher suites, and bytes of tag."""

    AES_128_CTR_HMAC_SHA256_80 = (0x0001, 10)
    AES_128_CTR_HMAC_SHA256_64 = (0x0002, 8)
    AES_128_CTR_HMAC_SHA256_32 = (0x0003, 4)

    def __init__(self, number: int, tag_bytes: int) -> None:
        self.number = number
        self.tag_bytes = tag_bytes


class FrameCipher:
    """Encrypts and authenticates frames of one sender with one key.

    A counter must never be used for two different frames: the owner sees to it.

    Args:
        base_key: 16 bytes, uniformly random.
        suite: the cipher.
        key_id: SFrame's KID, which separates keys made of one base key.
    """

    def __init__(self, base_key: bytes, suite: CipherSuite, key_id: int = 0) -> None:
        context = key_id.to_bytes(8, "big") + suite.number.to_bytes(2, "big")
        key = _derive(
            base_key,
            b"SFrame 1.0 Secret key " + context,
            _ENCRYPTION_KEY_BYTES + _AUTHENTICATION_KEY_BYTES,
        )
        salt = _derive(base_key, b"SFrame 1.0 Secret salt " + context, _NONCE_BYTES)
        self._salt = int.from_bytes(salt, "big")
        self._tag_key = key[_ENCRYPTION_KEY_BYTES:]
        # One context for all frames: making one costs more than a frame.
        cipher = Cipher(algorithms.AES(key[:_ENCRYPTION_KEY_BYTES]), modes.CTR(bytes(16)))
        self._stream = cipher.encryptor()
        self.tag_bytes = suite.tag_bytes

    def seal(self, counter: int, header: bytes, plaintext: bytes) -> bytes:
        """Ciphertext of the same length, and the tag, which also covers header and counter."""
        nonce = self._nonce(counter)
        ciphertext = self._crypt(nonce, plaintext)
        return ciphertext + self._tag(nonce, header, ciphertext)

    def open(self, counter: int, header: bytes, sealed: bytes) -> bytes:
        """Inverse of :meth:`seal`; SealError when anything was changed."""
        end = len(sealed) - self.tag_bytes
        if end < 0:
            raise SealError(
                f"a sealed message has {len(sealed)} bytes after its header, expected at least "
                f"{self.tag_bytes}"
            )
        nonce, ciphertext = self._nonce(counter), sealed[:end]
        if not hmac.compare_digest(self._tag(nonce, header, ciphertext), sealed[end:]):
            raise SealError("a message was changed on its way, or is not of this connection")
        return self._crypt(nonce, ciphertext)

    def _nonce(self, counter: int) -> bytes:
        return (self._salt ^ counter).to_bytes(_NONCE_BYTES, "big")

    def _crypt(self, nonce: bytes, data: bytes) -> bytes:
        self._stream.reset_nonce(nonce + bytes(4))
        return self._stream.update(data)

    def _tag(self, nonce: bytes, header: bytes, ciphertext: bytes) -> bytes:
        lengths = b"".join(
            size.to_bytes(8, "big") for size in (len(header), len(ciphertext), self.tag_bytes)
        )
        tag = hmac.digest(self._tag_key, lengths + nonce + header + ciphertext, "sha256")
        return tag[: self.tag_bytes]


def _derive(base_key: bytes, info: bytes, size: int) -> bytes:
    """HKDF-Extract with an empty salt, then HKDF-Expand."""
    return HKDF(SHA256(), length=size, salt=b"", info=info).derive(base_key)
