"""Proof that both sides hold the same secret, without sending it (docs/reference/protocol.md)."""

from __future__ import annotations

import hashlib
import hmac

from q2d2_stream.errors import InputError
from q2d2_stream.protocol.kinds import Role

__all__ = ["MIN_SECRET_BYTES", "Secret"]

MIN_SECRET_BYTES = 8
_LABEL = b"q2d2-stream proof 1"


class Secret:
    """A shared secret; it never shows in ``repr``, in logs or on the wire.

    Args:
        text: at least 8 bytes of UTF-8. A listener of the proof can try guesses offline, so
            it should be random: ``python -c "import secrets; print(secrets.token_urlsafe())"``.

    Raises InputError when it is shorter.
    """

    __slots__ = ("_key",)

    def __init__(self, text: str) -> None:
        self._key = text.encode()
        if len(self._key) < MIN_SECRET_BYTES:
            raise InputError(
                f"the secret has {len(self._key)} bytes, expected at least {MIN_SECRET_BYTES}: "
                'make one with python -c "import secrets; print(secrets.token_urlsafe())"'
            )

    def __repr__(self) -> str:
        return "Secret(...)"

    def proof(self, role: Role, client_hello: bytes, server_hello: bytes) -> bytes:
        """32 bytes that only a holder of the secret can make.

        They cover the prover's role, so that a proof sent back to its maker proves nothing,
        and both hellos as they were on the wire: nonces, call id, models, rates.
        """
        text = _LABEL + bytes([role])
        for hello in (client_hello, server_hello):
            text += hashlib.sha256(hello).digest()
        return hmac.new(self._key, text, hashlib.sha256).digest()

    def verify(self, mac: bytes, role: Role, client_hello: bytes, server_hello: bytes) -> bool:
        """Whether ``mac`` is the proof of a peer in ``role``; takes the same time either way."""
        return hmac.compare_digest(mac, self.proof(role, client_hello, server_hello))
