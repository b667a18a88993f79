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
        prices = BIT_WORTH * bits
        zero = prices[:, SYMBOL_ZERO]
        self._prices: list[list[float]] = prices.tolist()
        self._least_price = float(BIT_WORTH * step_bits + zero.sum())
        # Between -1 and 1 there are two symbols to choose from, so a comparison tells.
        up, down = (1 + prices[:, SYMBOL_ZERO + n] - zero for n in (1, -1))
        self._highest: list[float] = np.minimum(up / 2, 1.0).tolist()
        self._lowest: list[float] = np.maximum(down / -2, -1.0).tolist()

    def symbols(self, error: NDArray[np.float32]) -> tuple[NDArray[np.uint8], float]:
        """An error ``(40,)`` in nepers -> its symbols, uint8 ``(40,)``, and the bits that they and
        the number of their step take."""
        parts: list[float] = ((error - self._mean) @ self._to_steps).tolist()
        symbols = bytearray(_NOTHING)
        price = self._least_price
        for n, (part, low, high) in enumerate(zip(parts, self._lowest, self._highest, strict=True)):
            if low <= part <= high:
                continue
            prices, below = self._prices[n], floor(part)
            below = -REACH if below < -REACH else REACH - 1 if below >= REACH else below
            symbol, away = SYMBOL_ZERO + below, part - below
            least = part * part + prices[SYMBOL_ZERO]
            cost = away * away + prices[symbol]
            if cost < least:
                least, symbols[n] = cost, symbol
            if (away - 1) * (away - 1) + prices[symbol + 1] < least:
                symbols[n] = symbol + 1
            price += prices[symbols[n]] - prices[SYMBOL_ZERO]
        return np.frombuffer(symbols, np.uint8), price / BIT_WORTH
