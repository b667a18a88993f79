"""How loud it is, and a mute switch that does not click."""

from __future__ import annotations

import numpy as np

from q2d2_stream.audio.stream import SAMPLE_RATE, Pcm

__all__ = ["LevelMeter", "Mute"]

_FLOOR_DB = -90.0  # below the step of 16-bit samples
_RMS_S = 0.3  # the integration time of a VU meter
_PEAK_DB_PER_S = 20.0  # the fall-back of a peak programme meter
_CLIPPED = 0.999


class LevelMeter:
    """A level in dB relative to full scale, moving as meters do.

    A full-scale square wave has an RMS level of 0 dB, a full-scale sine -3.01.

    Attributes:
        clipped_samples: samples at or beyond full scale so far.
    """

    def __init__(self, sample_rate: int = SAMPLE_RATE) -> None:
        self._sample_rate = sample_rate
        self._power = 0.0
        self._peak_db = _FLOOR_DB
        self.clipped_samples = 0

    def push(self, pcm: Pcm) -> None:
        """Measure ``pcm``, shape ``(n,)``."""
        if not len(pcm):
            return
        seconds = len(pcm) / self._sample_rate
        magnitude = np.abs(pcm)
        keep = float(np.exp(-seconds / _RMS_S))
        self._power = keep * self._power + (1.0 - keep) * float(np.mean(np.square(magnitude)))
        peak = float(magnitude.max())
        peak_db = 20.0 * np.log10(peak) if peak > 0.0 else _FLOOR_DB
        fallen_db = self._peak_db - _PEAK_DB_PER_S * seconds
        self._peak_db = max(float(peak_db), fallen_db, _FLOOR_DB)
        self.clipped_samples += int(np.count_nonzero(magnitude >= _CLIPPED))

    @property
    def rms_db(self) -> float:
        """Power over the last 0.3 s or so, -90 to 0 dBFS."""
        return max(10.0 * float(np.log10(self._power + 1e-12)), _FLOOR_DB)

    @property
    def peak_db(self) -> float:
        """Highest sample, falling back by 20 dB per second, -90 dBFS or more."""
        return self._peak_db


class Mute:
    """Silences frames while ``on`` is set, fading over one frame when it changes."""

    def __init__(self, on: bool = False) -> None:
        self.on = on
        self._gain = 0.0 if on else 1.0

    def apply(self, pcm: Pcm) -> Pcm:
        """``pcm`` or silence, shape ``(n,)``; the very array when nothing is to be done."""
        target = 0.0 if self.on else 1.0
        if self._gain == target:
            return pcm if target else np.zeros_like(pcm)
        ramp = np.linspace(self._gain, target, len(pcm), dtype=np.float32)
        self._gain = target
        return pcm * ramp
