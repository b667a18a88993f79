"""One secret for one word, whatever system it was typed on."""

from __future__ import annotations

import unicodedata

from q2d2_stream.errors import InputError

__all__ = ["secret_bytes"]


def secret_bytes(text: str) -> bytes:
    """The text in normalization form C (Unicode Standard Annex 15) and UTF-8.

    macOS and Windows write the é of the same keyboard as two code points and as one: without this
    they would be two secrets.

    Raises InputError for what is no text: bytes that were not UTF-8, in an option or a variable.
    """
    try:
        return unicodedata.normalize("NFC", text).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"the secret is not text in UTF-8 (character {error.start + 1}): write it to a file in "
            "UTF-8 and use --secret-file"
        ) from error
