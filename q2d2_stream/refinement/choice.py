"""The sender's choice of symbols, a frame at a time.

The same as :meth:`q2d2_stream.refinement.RefinementCode.symbols` with bits, number by number: most
components are so small that zero is known to be the cheapest without looking at any other symbol.
"""

from __future__ import annotations

from math import floor

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.refinement.bands import BANDS
from q2d2_stream.refinement.code import BIT_WORTH, REACH, STEPS, SYMBOL_ZERO, RefinementCode

__all__ = ["SymbolChoice"]

_NOTHING = bytes([SYMBOL_ZERO]) * BANDS


class SymbolChoice:
    """Errors to symbols of one step.

    Args:
        code: the model's.
        step: number of the step.
        bits: what each symbol of each component takes, ``(40, 61)``.
        step_bits: what the number of the step takes.
    """

    def __init__(
        self, code: RefinementCode, step: int, bits: NDArray[np.float64], step_bits: float
    ) -> None:
        self._mean = code.mean
        self._to_steps = code.basis / np.float32(code.step * STEPS[step])
        self._bits: list[list[float]] = bits.tolist()
        zero = bits[:, SYMBOL_ZERO]
        self._least_bits = float(step_bits + zero.sum())
        # Between -1 and 1 there are two symbols to choose from, so a comparison tells.
        up = (1 + BIT_WORTH * (bits[:, SYMBOL_ZERO + 1] - zero)) / 2
        down = (1 + BIT_WORTH * (bits[:, SYMBOL_ZERO - 1] - zero)) / 2
        self._highest: list[float] = np.minimum(up, 1.0).tolist()
        self._lowest: list[float] = (-np.minimum(down, 1.0)).tolist()

    def symbols(self, error: NDArray[np.float32]) -> tuple[NDArray[np.uint8], float]:
        """An error ``(40,)`` in nepers -> its symbols, uint8 ``(40,)``, and the bits that they and
        the number of their step take."""
        parts: list[float] = ((error - self._mean) @ self._to_steps).tolist()
        symbols = bytearray(_NOTHING)
        total = self._least_bits
        for n, (part, low, high) in enumerate(zip(parts, self._lowest, self._highest, strict=True)):
            if low <= part <= high:
                continue
            bits = self._bits[n]
            below = min(max(floor(part), -REACH), REACH - 1)
            least = part * part + BIT_WORTH * bits[SYMBOL_ZERO]
            for tried in (below, below + 1):
                cost = (part - tried) ** 2 + BIT_WORTH * bits[SYMBOL_ZERO + tried]
                if cost < least:
                    least, symbols[n] = cost, SYMBOL_ZERO + tried
            total += bits[symbols[n]] - bits[SYMBOL_ZERO]
        return np.frombuffer(symbols, np.uint8), total
