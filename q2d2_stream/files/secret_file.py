"""Secrets in files, as editors, shells and password managers write them."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from q2d2_stream.errors import InputError

__all__ = ["read_secret_file"]

_MOST_BYTES = 65_536
# Those of UTF-32 come first: the little-endian one begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_secret_file(path: str | os.PathLike[str]) -> str:
    """The text of a file without the white space around it.

    A byte order mark says what the encoding is, and is no part of the secret: Windows PowerShell
    writes UTF-16, Notepad UTF-8 with a mark. Without one it is UTF-8.

    Raises:
        InputError: another encoding, or more than 64 KiB.
        OSError: the file cannot be read.
    """
    with Path(path).open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise InputError(f"{path} has more than {_MOST_BYTES} bytes, expected a secret")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not text in {encoding.removesuffix('-sig').upper()} (byte {error.start}), "
            "expected UTF-8: save it as that"
        ) from error
    if "\0" in text:
        raise InputError(f"{path} has zero bytes in it, expected text in UTF-8: save it as that")
    return text.strip()
