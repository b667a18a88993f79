"""Both ends of the closed loop, a frame at a time: pure functions of (input, state)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.refinement.bands import BANDS, Bands

__all__ = ["SMOOTHED_BINS", "ErrorMeter", "MeterState", "Refiner", "RefinerState"]

HELD_FRAMES = 3
"""For how many lost windows the last error is held: 40 ms."""
HELD_SHARE = 0.7
"""What each of them keeps of it."""

SMOOTHED_BINS = 33
"""Bins that sharpening averages over."""
_TINY = np.float32(1e-12)

Array = NDArray[np.float32]


class MeterState(NamedTuple):
    """What the sender remembers."""

    original: Array  # (2 * hop,), the last two frames
    decoded: Array  # (hop,), the last frame


class ErrorMeter:
    """The sender's end: how far the levels of what the receiver decodes are off."""

    def __init__(self, sample_rate: int, hop: int) -> None:
        self._bands, self._hop = Bands(sample_rate, hop), hop

    @property
    def macs_per_frame(self) -> int:
        """Multiply-adds of a step, the transform of the error included."""
        return 2 * (self._bands.transform_macs + self._bands.product_macs) + BANDS**2

    def initial_state(self) -> MeterState:
        """The state before the first frame."""
        return MeterState(np.zeros(2 * self._hop, np.float32), np.zeros(self._hop, np.float32))

    def step(self, original: Array, decoded: Array, state: MeterState) -> tuple[Array, MeterState]:
        """Compare one more frame.

        Args:
            original: the frame that was just encoded, ``(hop,)``.
            decoded: what the decoder made of its points, one frame behind, ``(hop,)``.
            state: as returned by the step before, or :meth:`initial_state`; not modified.

        Returns:
            The error of the window that ends with ``decoded``, ``(40,)`` nepers, to be added to
            the decoded levels; and the state after it.
        """
        bands = self._bands
        both = np.concatenate([state.original, state.decoded, decoded]).reshape(2, -1)
        wanted, got = bands.levels(bands.spectrum(bands.without_line(both)))
        after = MeterState(np.concatenate([state.original[self._hop :], original]), decoded)
        return wanted - got, after


class RefinerState(NamedTuple):
    """What the receiver remembers."""

    decoded: Array  # (hop,), the last frame
    tail: Array  # (hop,), second half of the last window
    error: Array  # (40,), the last error that came, or what is left of it
    to_hold: int  # frames for which it is held yet


class Refiner:
    """The receiver's end: decoded speech, its levels mended, one frame later.

    With ``sharpening`` the log spectrum of a window moves away from its mean over 33 bins by that
    share, for what ends up nearest to the original is smoother than it.
    """

    def __init__(self, sample_rate: int, hop: int, sharpening: float = 0.0) -> None:
        self._bands, self._hop, self._sharpening = Bands(sample_rate, hop), hop, sharpening
        self.fall: Array = np.square(self._bands.window[hop:])
        """What a window keeps of its second half where nothing is changed, ``(hop,)``."""

    @property
    def macs_per_frame(self) -> int:
        """Multiply-adds of a step, the transform of the error included."""
        return 2 * self._bands.transform_macs + self._bands.product_macs + BANDS**2

    def initial_state(self) -> RefinerState:
        """The state before the first frame."""
        silence = np.zeros(self._hop, np.float32)
        return RefinerState(silence, silence, np.zeros(BANDS, np.float32), 0)

    def step(
        self, decoded: Array, error: Array | None, state: RefinerState, lost: bool = False
    ) -> tuple[Array, RefinerState]:
        """Refine one more frame.

        Args:
            decoded: the newest frame, ``(hop,)``.
            error: as it came with that frame, ``(40,)`` nepers; None where none came.
            state: as returned by the step before, or :meth:`initial_state`; not modified.
            lost: none came because its packet is lost: a falling share of the last one is held.

        Returns:
            The frame before ``decoded``, refined, ``(hop,)``; and the state after it.
        """
        to_hold = HELD_FRAMES
        if error is None:
            to_hold = state.to_hold - 1 if lost else 0
            held = lost and state.to_hold > 0
            error = state.error * np.float32(HELD_SHARE if held else 0.0)
        bands, hop = self._bands, self._hop
        spectrum = bands.spectrum(np.concatenate([state.decoded, decoded])) * bands.gains(error)
        if self._sharpening and error.any():
            spectrum *= np.exp(self._sharpening * _away_from_mean(spectrum))
        samples = bands.samples(spectrum)
        after = RefinerState(decoded, samples[hop:], error, max(0, to_hold))
        return state.tail + samples[:hop], after


def _away_from_mean(spectrum: NDArray[np.complex64]) -> Array:
    """How far log magnitudes are from their mean over neighbouring bins; the edges are repeated."""
    bins, half = len(spectrum), SMOOTHED_BINS // 2
    log = np.float32(0.5) * np.log(spectrum.real**2 + spectrum.imag**2 + _TINY)
    sums = np.empty(bins + SMOOTHED_BINS)  # np.pad and np.cumsum would take twice as long
    sums[0] = 0.0
    sums[1 : half + 1], sums[half + 1 : half + 1 + bins], sums[half + 1 + bins :] = (
        log[0],
        log,
        log[-1],
    )
    np.cumsum(sums, out=sums)
    away: Array = (log - (sums[SMOOTHED_BINS:] - sums[:-SMOOTHED_BINS]) / SMOOTHED_BINS).astype(
        np.float32
    )
    return away
