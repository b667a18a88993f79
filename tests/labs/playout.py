"""Decoders and voices that the playout's tests use in place of the codec."""

from __future__ import annotations

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from tests.labs.paths import ROOT

CLIPS = sorted((ROOT / "apps" / "speech").glob("*.flac"))


def number(frames: int) -> NDArray[np.uint8]:
    """Indices that carry the frame's number, shape ``(frames, 3)``."""
    n = np.arange(frames)
    return np.stack((n % 145, n // 145 % 85, n // (145 * 85) % 85), axis=1).astype(np.uint8)


class ClipDecoder:
    """Plays the frame of a clip that the indices name; a loss is the last frame at half level."""

    delay_samples = 320

    def __init__(self, pcm: NDArray[np.float32]) -> None:
        self.frames = pcm[: len(pcm) // 320 * 320].reshape(-1, 320)
        self.pushed: list[int | None] = []
        self.resets = 0
        self._last = np.zeros(320, np.float32)

    def push(self, indices: NDArray[np.uint8] | None) -> NDArray[np.float32]:
        if indices is None:
            self.pushed.append(None)
            self._last = self._last * np.float32(0.5)
            return self._last
        n = int(indices[0]) + 145 * (int(indices[1]) + 85 * int(indices[2]))
        self.pushed.append(n)
        self._last = self.frames[n % len(self.frames)]
        return self._last

    def seek(self, number: int) -> None:
        pass

    def reset(self) -> None:
        self.resets += 1


def voice(seconds: float = 6.0, f0: float = 120.0) -> NDArray[np.float32]:
    """A synthetic vowel: 20 harmonics with a slow vibrato, phrases of 1.5 s, faint hiss."""
    t = np.arange(int(seconds * 24_000)) / 24_000
    phase = 2 * np.pi * (f0 * t + 0.5 * np.sin(2 * np.pi * 1.5 * t))
    waves = sum(np.sin(k * phase + k * k) / (1 + k) for k in range(1, 21))
    phrases = np.clip(20 * (t % 2.0), 0, 1) * np.clip(20 * (1.5 - t % 2.0), 0, 1)
    hiss = np.random.default_rng(1).standard_normal(len(t))
    return (0.15 * waves * phrases + 1e-3 * hiss).astype(np.float32)


def speech(index: int = 0) -> NDArray[np.float32]:
    """A bundled clip of real speech at 24 kHz, or the synthetic voice where there is none."""
    if not CLIPS:
        return voice()
    pcm, rate = soundfile.read(CLIPS[index % len(CLIPS)], dtype="float32")
    resampled: NDArray[np.float32] = soxr.resample(pcm, rate, 24_000).astype(np.float32)
    return resampled
