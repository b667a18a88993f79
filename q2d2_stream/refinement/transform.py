"""Real Fourier transforms of short windows, forth and back.

``np.fft`` spends half of their time on arguments that are always the same here. So its inner loops
are called directly. They are not public: an instance first compares them with ``np.fft``, and takes
that where they are missing (numpy 1) or answer anything else.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Transform"]


def _inner_loops() -> tuple[Any, Any]:
    """Of the transforms forth and back, or None."""
    try:
        loops = import_module("numpy.fft._pocketfft_umath")
        return loops.rfft_n_even, loops.irfft
    except (ImportError, AttributeError):
        return None, None


_rfft, _irfft = _inner_loops()


class Transform:
    """Transforms of windows of an even number of samples.

    Args:
        size: of the window, in samples.
    """

    def __init__(self, size: int) -> None:
        self._size, self._bins = size, size // 2 + 1
        self._share = np.reciprocal(size, dtype=np.float32)
        self.is_direct = _rfft is not None and self._agrees()
        """Whether the inner loops are used."""

    def _agrees(self) -> bool:
        """Whether they answer what ``np.fft`` does, bit by bit."""
        wave = np.sin(0.1 * np.square(np.arange(2 * self._size))).astype(np.float32)
        windows = wave.reshape(2, -1)
        spectra = np.fft.rfft(windows)
        try:
            forth, back = self._forward(windows), self._inverse(spectra[0])
        except (TypeError, ValueError):
            return False
        return np.array_equal(forth, spectra) and np.array_equal(back, np.fft.irfft(spectra[0]))

    def _forward(self, samples: NDArray[np.float32]) -> NDArray[np.complex64]:
        spectrum = np.empty((*samples.shape[:-1], self._bins), np.complex64)
        _rfft(samples, 1, out=spectrum)
        return spectrum

    def _inverse(self, spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
        samples = np.empty(self._size, np.float32)
        _irfft(spectrum, self._share, out=samples)
        return samples

    def forward(self, samples: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Samples ``(..., size)`` -> their spectrum ``(..., size // 2 + 1)``."""
        if self.is_direct:
            return self._forward(samples)
        return np.fft.rfft(samples).astype(np.complex64, copy=False)

    def inverse(self, spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
        """A spectrum ``(size // 2 + 1,)`` -> its samples ``(size,)``."""
        if self.is_direct:
            return self._inverse(spectrum)
        return np.fft.irfft(spectrum).astype(np.float32, copy=False)
