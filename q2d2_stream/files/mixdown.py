"""Many channels to one, so that a voice survives on whichever of them it is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["Mixdown"]

_MEMORY_S = 10.0
_SILENT = 0.01  # of the loudest channel's power: 20 dB below it
_OPPOSITE = -0.5  # coefficient of correlation with the loudest channel
_NOTHING = 1e-6  # power of -60 dBFS: no channel is more than noise
_FADE_S = 0.02


class Mixdown:
    """The mean of the channels that have sound, without letting them cancel each other.

    The plain mean puts a voice on one channel of six 16 dB down, and one that was recorded with a
    plug turned round on the second channel is gone altogether. So silent channels do not count,
    and a channel that is the opposite of the loudest one is turned round. What counts as what is
    judged by the powers and correlations of the last ten seconds, the present block included.

    Args:
        channels: how many there are.
        sample_rate: samples per second of each.

    Attributes:
        turned: numbers, from 1, of the channels that have been turned round.
    """

    def __init__(self, channels: int, sample_rate: int) -> None:
        self.turned: set[int] = set()
        self._sample_rate = sample_rate
        self._covariance: NDArray[np.float64] = np.zeros((channels, channels))
        self._weights = np.full(channels, 1 / channels, np.float32)
        self._was_silent = True

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mix ``(n, channels)`` finite samples down to ``(n,)``."""
        count, channels = block.shape
        if channels == 1 or not count:
            return block[:, 0]
        # An offset is no sound, and would make any two channels alike.
        centred = block.astype(np.float64) - block.mean(axis=0)
        seconds = count / self._sample_rate
        kept = math.exp(-seconds / _MEMORY_S)
        now: NDArray[np.float64] = centred.T @ centred / count
        self._covariance = kept * self._covariance + (1 - kept) * now
        weights = self._new_weights()
        mixed = np.asarray(block @ weights, np.float32)
        if np.abs(mixed).max() > max(1.0, np.abs(block).max()):
            weights = np.asarray(np.sign(weights) / channels, np.float32)
            mixed = np.asarray(block @ weights, np.float32)
        if not self._was_silent and not np.array_equal(weights, self._weights):
            length = min(count, max(1, round(_FADE_S * self._sample_rate)))
            rise = np.linspace(0, 1, length, dtype=np.float32)
            mixed[:length] = rise * mixed[:length] + (1 - rise) * (block[:length] @ self._weights)
        self._weights = weights
        self._was_silent = float((centred[-count // 4 :] ** 2).mean(axis=0).max()) < _NOTHING
        return mixed

    def _new_weights(self) -> NDArray[np.float32]:
        power = np.diag(self._covariance)
        loudest = int(power.argmax())
        if power[loudest] < _NOTHING:
            return self._weights
        has_sound = power > _SILENT * power[loudest]
        norm = np.sqrt(power * power[loudest])
        likeness = np.divide(
            self._covariance[loudest], norm, out=np.zeros_like(power), where=has_sound
        )
        opposite = likeness < _OPPOSITE
        self.turned.update(int(n) + 1 for n in np.flatnonzero(opposite))
        weights: NDArray[np.float32] = np.where(opposite, -1, 1).astype(np.float32)
        return weights / np.float32(has_sound.sum())
