"""Checks and text fields that the messages share."""

from __future__ import annotations

import struct

from q2d2_stream.errors import InputError, WireError

__all__ = ["U32_MAX", "check_range", "printable", "put_text", "take", "take_text"]

U32_MAX = 0xFFFFFFFF
_LENGTH = struct.Struct("<H")


def check_range(name: str, value: int, low: int, high: int) -> None:
    """InputError when ``value`` is outside ``low`` to ``high``."""
    if not low <= value <= high:
        raise InputError(f"{name} is {value}, expected {low} to {high}")


def printable(text: str, max_bytes: int) -> str:
    """One line that cannot move a terminal's cursor, cut to ``max_bytes`` of UTF-8."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text.encode()[:max_bytes].decode("utf-8", "ignore")


def take(layout: struct.Struct, body: bytes, what: str) -> tuple[int, ...]:
    """The fields at the start of ``body``; WireError when it is too short."""
    if len(body) < layout.size:
        raise WireError(
            f"{what} message has {len(body)} bytes after its kind, expected at least {layout.size}"
        )
    return layout.unpack_from(body)


def put_text(text: str) -> bytes:
    """Two bytes of length, then UTF-8."""
    data = text.encode()
    return _LENGTH.pack(len(data)) + data


def take_text(body: bytes, max_bytes: int, what: str) -> tuple[str, bytes]:
    """Inverse of :func:`put_text`: the text at the start of ``body``, and what follows it.

    WireError when it is cut, too long or not UTF-8.
    """
    (length,) = take(_LENGTH, body, what)
    end = _LENGTH.size + length
    data = body[_LENGTH.size : end]
    if length > max_bytes or len(data) < length:
        raise WireError(
            f"{what} message claims {length} bytes of text and carries {len(data)}, "
            f"expected as many as claimed and at most {max_bytes}"
        )
    try:
        return data.decode(), body[end:]
    except UnicodeDecodeError as error:
        raise WireError(f"{what} message holds text that is not UTF-8") from error
