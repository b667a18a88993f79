"""From the words of a code to a sealed link: SPAKE2, a confirmation, and AES-GCM.

    shared = SPAKE2(password "7-guitar-orbit", joiner is A, member is B)
    confirmation = HKDF(shared, "code confirmation"), 16 bytes, from the joiner
    grant = AES-128-GCM(HKDF(shared, "code grant"), nonce 0, the link), from the member

Both ends of the exchange draw new random numbers for every guess, so the nonce is never used again
under one key. The tag of the grant is the member's confirmation.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from q2d2_stream.errors import SealError
from q2d2_stream.protocol import Role, Secret
from q2d2_stream.protocol.key_exchange import Spake2Exchange
from q2d2_stream.rooms.code import RoomCode
from q2d2_stream.rooms.code_messages import CONFIRMATION_BYTES
from q2d2_stream.rooms.keys import derive

__all__ = ["CodeExchange", "CodeKeys"]

_IDS = (b"q2d2-stream room joiner", b"q2d2-stream room member")
_KEY_BYTES = 16
_NONCE = bytes(12)


class CodeExchange(Spake2Exchange):
    """One side of the key exchange of one guess.

    Args:
        code: whose words both sides know.
        role: CLIENT is the joiner, SERVER the member who shows the code.
        entropy: random bytes by number, for tests.
    """

    def __init__(
        self, code: RoomCode, role: Role, entropy: Callable[[int], bytes] = os.urandom
    ) -> None:
        super().__init__(Secret(code.password), role, entropy, ids=_IDS)

    def keys(self, peer_share: bytes) -> CodeKeys:
        """The keys of this guess; once. HandshakeError for a share that no honest side sends."""
        return CodeKeys(self.finish(peer_share))


class CodeKeys:
    """What a key exchange gave; the same on both sides only where the words were."""

    def __init__(self, shared: bytes) -> None:
        self.confirmation = derive(shared, b"code confirmation", CONFIRMATION_BYTES)
        self._grant = AESGCM(derive(shared, b"code grant", _KEY_BYTES))

    def confirms(self, confirmation: bytes) -> bool:
        """Whether the joiner has the same keys; takes the same time either way."""
        return hmac.compare_digest(confirmation, self.confirmation)

    def seal_link(self, link: str) -> bytes:
        """The link for the joiner; once."""
        return self._grant.encrypt(_NONCE, link.encode(), None)

    def open_link(self, sealed: bytes) -> str:
        """The link; SealError for what is not of who showed the code."""
        try:
            return self._grant.decrypt(_NONCE, sealed, None).decode()
        except (InvalidTag, UnicodeDecodeError) as error:
            raise SealError("the link does not open: it is not of who showed the code") from error
