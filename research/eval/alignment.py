"""By how much coded speech trails its original."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from research.eval.clips import SAMPLE_RATE

__all__ = ["residual_delay_ms"]

_STEP = SAMPLE_RATE // 1000  # 1 ms
_SMOOTHING_MS = 8


def residual_delay_ms(
    ref: npt.NDArray[np.float32], deg: npt.NDArray[np.float32], reach_ms: int = 80
) -> int:
    """Delay of ``deg`` behind ``ref`` in milliseconds, by cross-correlation of their envelopes.

    Envelopes, not waveforms: a parametric codec keeps no phases, and a waveform correlation then
    peaks a pitch period off.

    Args:
        ref: the original, float32, shape ``(n,)``, 24 kHz.
        deg: the coded speech, same shape.
        reach_ms: delays from minus this to this are tried.

    Returns:
        A positive number when ``deg`` is late; 0 when either is silent.
    """
    original, coded = _envelope(ref), _envelope(deg)
    size = 2 * max(len(original), len(coded))
    spectrum = np.fft.rfft(coded, size) * np.conj(np.fft.rfft(original, size))
    correlation = np.fft.irfft(spectrum, size)
    shifts = np.arange(-reach_ms, reach_ms + 1)
    best = int(np.argmax(correlation[shifts]))
    return int(shifts[best]) if correlation[shifts[best]] > 0 else 0


def _envelope(pcm: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Smoothed root of the energy per millisecond without its mean, shape ``(n // 24,)``."""
    steps = len(pcm) // _STEP
    energy = np.square(pcm[: steps * _STEP].astype(np.float64)).reshape(steps, _STEP).mean(axis=1)
    smooth = np.sqrt(np.convolve(energy, np.hanning(_SMOOTHING_MS + 2)[1:-1], "same"))
    return np.asarray(smooth - smooth.mean(), np.float64)
