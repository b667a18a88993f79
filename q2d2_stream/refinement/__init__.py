"""Closed-loop refinement: what the top rate sends beside its pairs.

The sender decodes its pairs as the receiver will, compares the levels of 40 bands of the decoded
speech with those of the original, and sends the error; the receiver multiplies. A window is the
640 samples of two frames, overlapping by half:

    decoded frames        t-1        t
    window t           |<---- 640 ---->|
    refined frame         t-1            complete with windows t-1 and t

Both ends have decoded frame t when packet t is there, so the symbols of window t travel in it, and
refined speech is one frame (13.3 ms) later than speech without. Nothing is fed back: a window knows
of no other, so no error of an engine or of the line outlives it.
"""

from __future__ import annotations

from q2d2_stream.refinement.bands import BANDS, Bands, band_bank
from q2d2_stream.refinement.choice import SymbolChoice
from q2d2_stream.refinement.code import STEPS, SYMBOL_ZERO, SYMBOLS, RefinementCode
from q2d2_stream.refinement.windows import ErrorMeter, MeterState, Refiner, RefinerState

__all__ = [
    "BANDS",
    "STEPS",
    "SYMBOLS",
    "SYMBOL_ZERO",
    "Bands",
    "ErrorMeter",
    "MeterState",
    "RefinementCode",
    "Refiner",
    "RefinerState",
    "SymbolChoice",
    "band_bank",
]
