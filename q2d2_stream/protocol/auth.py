"""The secret that two sides share."""

from __future__ import annotations

from q2d2_stream.errors import InputError
from q2d2_stream.protocol.code_phrase import make_code_phrase, tidy_code_phrase
from q2d2_stream.protocol.secret_text import secret_bytes

__all__ = ["MIN_SECRET_BYTES", "Secret"]

MIN_SECRET_BYTES = 8


class Secret:
    """A shared secret; it never shows in ``repr``, in logs or on the wire.

    It may be short enough to be read over the phone: who does not know it can try one guess per
    connection, and none offline (:mod:`q2d2_stream.protocol.key_exchange`).

    Args:
        text: at least 8 bytes of UTF-8, in normalization form C. A code is the same secret however
            it is typed.

    Raises InputError when it is shorter.
    """

    __slots__ = ("password",)

    def __init__(self, text: str) -> None:
        self.password = secret_bytes(tidy_code_phrase(text))
        if len(self.password) < MIN_SECRET_BYTES:
            raise InputError(
                f"the secret has {len(self.password)} bytes, expected at least "
                f"{MIN_SECRET_BYTES}: a code such as {make_code_phrase()} is enough"
            )

    def __repr__(self) -> str:
        return "Secret(...)"
