"""An integer range coder with carry.

The interval of G. N. N. Martin's range coder (1979), 32 bits of it, normalised as in LZMA. A
symbol of ``size`` slots out of TOTAL, the first of them ``start``, narrows it:

    low    |-----------|=============|-----------------|  low + width
                 start       size

and what is written is the shortest number within the interval that is left at last: bytes after
the end count as 0, and a 0 at the end is not written. A message is often 5 bytes, so this end is
worth a third of a byte to each frame.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from q2d2_stream.errors import InputError

__all__ = ["BITS", "TOTAL", "Decoder", "encode"]

BITS = 12
TOTAL = 1 << BITS
"""Slots that the symbols of a table share."""

_ALL = 0xFFFFFFFF  # the interval before the first symbol; low begins with as many bits
_NARROW = 1 << 24  # narrower ones are widened by a byte, so a slot is 2**12 wide at least


def _shortest(low: int, width: int) -> int:
    """The number from ``low`` to below ``low + width`` that ends in most zero bytes."""
    for zeros in (32, 24, 16, 8):
        number = -(-low >> zeros) << zeros
        if number < low + width:
            return number
    return low


def encode(starts: Sequence[int], sizes: Sequence[int]) -> bytes:
    """The bytes of symbols given by their first slot and their number of slots, in order.

    Sizes are 1 to TOTAL, and starts plus sizes at most TOTAL; that is not checked.
    """
    low, width, length = 0, _ALL, 4
    for start, size in zip(starts, sizes, strict=True):
        slot = width >> BITS
        low += slot * start  # all bytes so far: Python's integers carry by themselves
        # The last symbol also has what the division leaves, so that no bytes are meaningless.
        width = slot * size if start + size < TOTAL else width - slot * start
        while width < _NARROW:
            low <<= 8
            width <<= 8
            length += 1
    return _shortest(low, width).to_bytes(length, "big").rstrip(b"\0")


class Decoder:
    """Takes symbols out of bytes that :func:`encode` made, or out of any others."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._padded = data + bytes(4)
        self._at = 4  # bytes taken
        self._offset = int.from_bytes(self._padded[:4], "big")  # of the number from low
        self._width = _ALL

    def take(self, cdf: Sequence[int]) -> int:
        """The next symbol.

        Args:
            cdf: cumulative frequencies: the first slot of every symbol and, last, TOTAL; from 0,
                strictly ascending.

        Returns:
            A number from 0 to below ``len(cdf) - 1``, whatever the bytes.
        """
        width, offset = self._width, self._offset
        slot = width >> BITS
        symbol = bisect_right(cdf, offset // slot, 1, len(cdf) - 1) - 1
        start, end = cdf[symbol], cdf[symbol + 1]
        offset -= slot * start
        width = slot * (end - start) if end < TOTAL else width - slot * start
        while width < _NARROW:
            at = self._at
            offset = offset << 8 | (self._padded[at] if at < len(self._padded) else 0)
            width <<= 8
            self._at = at + 1
        self._width, self._offset = width, offset
        return symbol

    def finish(self) -> None:
        """Raise InputError unless :func:`encode` makes these bytes of the symbols taken."""
        window = self._padded[self._at - 4 : self._at]
        number = int.from_bytes(window.ljust(4, b"\0"), "big")
        low = (number - self._offset) & _ALL
        is_whole = self._at >= len(self._data) and self._data[-1:] != b"\0"
        if not is_whole or number != _shortest(low, self._width) & _ALL:
            raise InputError(
                f"the {len(self._data)} coded bytes do not end where their frames do, "
                "so they are damaged or coded with other tables"
            )
