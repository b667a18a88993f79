"""Comfort noise: stationary noise with the level and spectrum of the speaker's background."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

__all__ = ["ComfortNoise"]

_FFT = 320
_HOP = _FFT // 2
_BATCH = 10  # hops synthesised at once: numpy's cost per call is shared
_WINDOW_FRAMES = 75  # minimum statistics over four windows of one second (Martin 2001)
_WINDOWS = 4
_WARM_UP_FRAMES = 38  # half a second: before that, speech may pass for background
_QUIET_RATIO = 2.5  # a frame within 4 dB of the floor is background
_SILENCE = 1e-9  # mean square of -90 dBFS, below which all is quiet
_MAX_RMS = 0.02  # -34 dBFS: if speech was taken for background, it must not become loud noise

Pcm = NDArray[np.float32]


class ComfortNoise:
    """Learns the background from decoded frames and continues it.

    Until a quiet frame was seen, the noise is digital silence.

    Args:
        seed: of the random generator; the same calls give the same noise.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self._analysis = np.hanning(_FFT + 1)[:-1].astype(np.float32)
        self._synthesis = np.sin(np.pi * (np.arange(_FFT) + 0.5) / _FFT).astype(np.float32)
        self._power: NDArray[np.float64] | None = None  # mean |X|^2 per bin of quiet frames
        self._learned = 0
        self._seen = 0
        self._low = np.inf
        self._lows: deque[float] = deque(maxlen=_WINDOWS)
        self._tail = np.zeros(_HOP, np.float32)
        self._ready = np.zeros(0, np.float32)

    @property
    def level_db(self) -> float:
        """Level of the noise in dB relative to full scale; -inf while it is silence."""
        mean_square = self._mean_square()
        return 10.0 * float(np.log10(mean_square)) if mean_square > 0 else -np.inf

    def observe(self, pcm: Pcm) -> bool:
        """Takes note of a decoded frame, float32, shape ``(320,)``; True if it is background."""
        energy = float(pcm @ pcm) / len(pcm)
        self._seen += 1
        self._low = min(self._low, energy)
        if self._seen % _WINDOW_FRAMES == 0:
            self._lows.append(self._low)
            self._low = np.inf
        if energy <= _SILENCE:
            quiet = True
        elif self._seen < _WARM_UP_FRAMES:
            return False
        else:
            quiet = energy <= _QUIET_RATIO * min((self._low, *self._lows))
        if quiet:
            self._learn(pcm)
        return quiet

    def _learn(self, pcm: Pcm) -> None:
        spectrum = np.fft.rfft(pcm * self._analysis)
        power = spectrum.real**2 + spectrum.imag**2
        self._learned += 1
        if self._power is None:
            self._power = power.astype(np.float64)
        else:
            self._power += (power - self._power) * max(0.05, 1.0 / self._learned)

    def generate(self, samples: int) -> Pcm:
        """The next ``samples`` of noise, float32, shape ``(samples,)``."""
        if self._power is None:
            return np.zeros(samples, np.float32)
        while len(self._ready) < samples:
            self._ready = np.concatenate((self._ready, self._synthesise(self._power)))
        noise, self._ready = self._ready[:samples], self._ready[samples:]
        return noise

    def _synthesise(self, power: NDArray[np.float64]) -> Pcm:
        # White noise of variance v has E|X|^2 = v * sum(window^2) under the analysis window.
        gain = np.sqrt(power / float(np.sum(self._analysis**2)) * _FFT)
        gain *= min(1.0, _MAX_RMS / max(np.sqrt(self._mean_square()), 1e-12))
        shape = (_BATCH, _FFT // 2 + 1)
        spectra = np.empty(shape, np.complex64)
        spectra.real = self._random.standard_normal(shape, np.float32)
        spectra.imag = self._random.standard_normal(shape, np.float32)
        spectra *= (gain / np.sqrt(2.0)).astype(np.float32)
        waves = np.fft.irfft(spectra, _FFT, axis=1).astype(np.float32)
        waves *= self._synthesis
        out = waves[:, :_HOP].copy()
        out[0] += self._tail
        out[1:] += waves[:-1, _HOP:]
        self._tail = waves[-1, _HOP:]
        return out.reshape(-1)

    def _mean_square(self) -> float:
        if self._power is None:
            return 0.0
        two_sided = 2.0 * self._power.sum() - self._power[0] - self._power[-1]
        return float(two_sided / (_FFT * float(np.sum(self._analysis**2))))
