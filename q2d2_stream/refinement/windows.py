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

    before: Array  # (hop,), the last original frame but one
    original: Array  # (hop,), the last
    decoded: Array  # (hop,), the last decoded frame


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
        silence = np.zeros(self._hop, np.float32)
        return MeterState(silence, silence, silence)

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
        both = np.concatenate([*state, decoded]).reshape(2, -1)
        wanted, got = bands.levels(bands.spectrum(bands.without_line(both)))
        return wanted - got, self.skip(original, decoded, state)

    @staticmethod
    def skip(original: Array, decoded: Array, state: MeterState) -> MeterState:
        """The state after a frame of each, without comparing them."""
        return MeterState(state.original, original.copy(), decoded)


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
        self._unchanged: Array = np.square(self._bands.window)
        self.fall: Array = self._unchanged[hop:]
        """What a window keeps of its second half where nothing is changed, ``(hop,)``."""
        half, bins = SMOOTHED_BINS // 2, hop + 1
        # One correlation makes of the log powers of a spectrum how far its log magnitudes, half of
        # them, are from the mean of their neighbours, times the sharpening. Edges are repeated.
        self._neighbours = np.arange(-half, bins + half).clip(0, bins - 1)
        away = np.full(SMOOTHED_BINS, -1 / SMOOTHED_BINS)
        away[half] += 1
        self._sharpener: Array = (0.5 * sharpening * away).astype(np.float32)

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
        hop, window = self._hop, np.concatenate([state.decoded, decoded])
        samples = (
            self._mended(window, error) if np.count_nonzero(error) else window * self._unchanged
        )
        after = RefinerState(decoded, samples[hop:], error, max(0, to_hold))
        return state.tail + samples[:hop], after

    def _mended(self, window: Array, error: Array) -> Array:
        """Samples of a window ``(2 * hop,)``, to be added up with those of the next."""
        spectrum, gains = self._bands.spectrum(window), self._bands.gains(error)
        if self._sharpening:
            log = np.abs(spectrum)
            log *= gains
            log *= log
            log += _TINY
            np.log(log, out=log)
            away = np.correlate(log.take(self._neighbours), self._sharpener)
            gains *= np.exp(away, out=away)
        spectrum *= gains
        return self._bands.samples(spectrum)
