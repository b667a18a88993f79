"""How two sides agree on 32 secret bytes: SPAKE2 with a shared secret, X25519 without."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import IntEnum

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from spake2 import SPAKE2_A, SPAKE2_B, SPAKEError
from spake2.ed25519_basic import NotOnCurve

from q2d2_stream.errors import HandshakeError
from q2d2_stream.protocol.auth import Secret
from q2d2_stream.protocol.kinds import Role

__all__ = ["KeyExchange", "Method", "Spake2Exchange", "X25519Exchange", "key_exchange"]

_IDS = (b"q2d2-stream client", b"q2d2-stream server")


class Method(IntEnum):
    """How keys are agreed on."""

    X25519 = 0  # nobody is authenticated
    SPAKE2 = 1  # both sides hold the same secret

    @property
    def share_bytes(self) -> int:
        """Length of either side's share."""
        return 33 if self is Method.SPAKE2 else 32


class KeyExchange(ABC):
    """One side of one exchange; a new one is made for every connection.

    Attributes:
        method: how.
        share: what the peer is sent.
    """

    method: Method
    share: bytes

    def finish(self, peer_share: bytes) -> bytes:
        """The 32 secret bytes; to be called once.

        Raises HandshakeError for a share that no honest peer sends.
        """
        if len(peer_share) != self.method.share_bytes:
            raise HandshakeError(
                f"the key share has {len(peer_share)} bytes, expected {self.method.share_bytes}"
            )
        return self._finish(peer_share)

    @abstractmethod
    def _finish(self, peer_share: bytes) -> bytes:
        """As :meth:`finish`, for a share of the right length."""


class Spake2Exchange(KeyExchange):
    """SPAKE2 on Ed25519, as the package ``spake2`` and magic-wormhole do it.

    Whoever takes part without the secret learns whether one guess at it was right, and nothing
    that would let them try another offline.

    Args:
        secret: what both sides hold.
        role: this side's.
        entropy: random bytes by number, for tests.
        ids: what the two sides are called, which goes into the key.
    """

    method = Method.SPAKE2

    def __init__(
        self,
        secret: Secret,
        role: Role,
        entropy: Callable[[int], bytes] = os.urandom,
        ids: tuple[bytes, bytes] = _IDS,
    ) -> None:
        side = SPAKE2_A if role is Role.CLIENT else SPAKE2_B
        self._spake2 = side(secret.password, idA=ids[0], idB=ids[1], entropy_f=entropy)
        self.share = self._spake2.start()

    def _finish(self, peer_share: bytes) -> bytes:
        try:
            key: bytes = self._spake2.finish(peer_share)
        except (SPAKEError, NotOnCurve, ValueError) as error:
            raise HandshakeError("the key share is not valid") from error
        return key


class X25519Exchange(KeyExchange):
    """Ephemeral Diffie-Hellman (RFC 7748): keeps listeners out, and says not who the peer is.

    Args:
        private: 32 bytes in place of random ones, for tests.
    """

    method = Method.X25519

    def __init__(self, private: bytes | None = None) -> None:
        self._private = (
            X25519PrivateKey.generate()
            if private is None
            else X25519PrivateKey.from_private_bytes(private)
        )
        self.share = self._private.public_key().public_bytes_raw()

    def _finish(self, peer_share: bytes) -> bytes:
        if peer_share == self.share:
            raise HandshakeError("the key share is this side's own")
        try:
            return self._private.exchange(X25519PublicKey.from_public_bytes(peer_share))
        except ValueError as error:  # a point of small order
            raise HandshakeError("the key share is not valid") from error


def key_exchange(secret: Secret | None, role: Role) -> KeyExchange:
    """A new exchange: authenticated when there is a secret."""
    return X25519Exchange() if secret is None else Spake2Exchange(secret, role)
