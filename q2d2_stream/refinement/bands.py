"""Levels of bands and gains of bins."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.refinement.transform import Transform

__all__ = ["BANDS", "FLOOR", "LIMIT", "Bands", "band_bank"]

BANDS = 40
LOWEST_HZ, TOP_HZ = 50.0, 8000.0
FLOOR = 3e-4
"""Magnitude of a bin below which all is silence."""
LIMIT = 3.0
"""Largest log gain, in nepers: 26 dB."""

Array = NDArray[np.float32]


def _hz_to_erb_rate(hz: float) -> float:
    return float(21.4 * np.log10(1.0 + 0.00437 * hz))


def band_bank(size: int, sample_rate: int, bands: int = BANDS) -> NDArray[np.float64]:
    """Triangles equally spaced on the ERB-rate scale (Glasberg and Moore 1990) from 50 Hz to
    8 kHz, ``(bands, size // 2 + 1)``. Columns sum to one; the last band goes on to the end."""
    rates = np.linspace(_hz_to_erb_rate(LOWEST_HZ), _hz_to_erb_rate(TOP_HZ), bands + 1)
    edges = (10 ** (rates / 21.4) - 1) / 0.00437 * size / sample_rate  # in bins
    middles, bins = (edges[1:] + edges[:-1]) / 2, np.arange(size // 2 + 1)
    return np.stack([np.interp(bins, middles, row) for row in np.eye(bands)])


class Bands:
    """The 40 bands of windows of two hops."""

    def __init__(self, sample_rate: int, hop: int) -> None:
        size = 2 * hop
        self._transform = Transform(size)
        bank = band_bank(size, sample_rate)
        self._bank = bank.T.astype(np.float32)
        self._share = bank.astype(np.float32)
        self._limit = np.full(BANDS, LIMIT, np.float32)
        self._floor = (FLOOR**2 * BANDS * bank.sum(1)).astype(np.float32)
        ramp = np.sin(np.pi * np.arange(size) / size)
        self.window: Array = ramp.astype(np.float32)
        """Square root of a Hann window, ``(2 * hop,)``: before and after, halves add up to one."""
        line = np.stack([np.ones(size), np.arange(size) - (size - 1) / 2], axis=1)
        self._to_line = (line / np.sqrt(np.square(line).sum(0))).astype(np.float32)
        self._line = np.ascontiguousarray(self._to_line.T)

    @property
    def transform_macs(self) -> int:
        """About how many multiply-adds a transform takes, either way: a fast one."""
        size = len(self.window)
        return round(size * math.log2(size))

    @property
    def product_macs(self) -> int:
        """Multiply-adds from bins to bands, or back."""
        return int(self._bank.size)

    def spectrum(self, samples: Array) -> NDArray[np.complex64]:
        """Samples of windows ``(..., 2 * hop)`` -> their spectra ``(..., hop + 1)``."""
        return self._transform.forward(samples * self.window)

    def without_line(self, samples: Array) -> Array:
        """Samples of windows less the straight line that fits each best: an offset, and rumble
        below speech, would leak into the lowest bands. The encoder's analysis does the same."""
        line: Array = samples @ self._to_line @ self._line
        return np.subtract(samples, line, out=line)

    def levels(self, spectrum: NDArray[np.complex64]) -> Array:
        """Log levels ``(..., 40)`` of spectra, in nepers."""
        power = np.abs(spectrum)
        power *= power
        levels: Array = power @ self._bank
        levels += self._floor
        np.log(levels, out=levels)
        levels *= np.float32(0.5)
        return levels

    def gains(self, error: Array) -> Array:
        """Log errors ``(40,)`` in nepers -> factors of the spectrum ``(hop + 1,)``."""
        within = np.minimum(error, self._limit)
        np.maximum(within, -self._limit, out=within)
        gains: Array = within @ self._share
        return np.exp(gains, out=gains)

    def samples(self, spectrum: NDArray[np.complex64]) -> Array:
        """A spectrum -> samples to be added up with those of the next window, ``(2 * hop,)``."""
        windowed = self._transform.inverse(spectrum)
        windowed *= self.window
        return windowed
