"""Speech for the audio tests: real where the shared clips are there, else made of vowels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from tests.labs.paths import ROOT

__all__ = ["level_db", "real_speech", "speech"]

_CLIPS = Path(os.environ.get("Q2D2_SPEECH", ROOT.parent / "shared/speech/demo"))


def real_speech(name: str) -> NDArray[np.float32] | None:
    """A clip of the shared folder at 24 kHz, or None where there is no such folder."""
    path = _CLIPS / name
    if not path.exists():
        return None
    pcm, rate = soundfile.read(path, dtype="float32")
    return np.asarray(pcm if rate == 24_000 else soxr.resample(pcm, rate, 24_000), np.float32)


def speech(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Syllables of a gliding voice with formants, pauses between, 24 kHz, about -26 dBFS."""
    rng = np.random.default_rng(seed)
    pieces: list[NDArray[np.float64]] = []
    while sum(map(len, pieces)) < seconds * 24_000:
        samples = int(rng.uniform(0.12, 0.3) * 24_000)
        t = np.arange(samples) / 24_000
        pitch = rng.uniform(90, 220) * (1 + rng.uniform(-0.2, 0.2) * t)
        phase = 2 * np.pi * np.cumsum(pitch) / 24_000
        formants = rng.uniform((300, 900, 2200), (800, 2000, 3000))
        voice = np.zeros(samples)
        for harmonic in range(1, 40):
            f = harmonic * pitch.mean()
            gain = sum(np.exp(-(((f - formant) / 150) ** 2)) for formant in formants) + 0.02
            voice += gain / harmonic**0.5 * np.sin(harmonic * phase)
        voice += 0.1 * rng.standard_normal(samples)
        pieces += [voice * np.hanning(samples), np.zeros(int(rng.uniform(0.03, 0.2) * 24_000))]
    pcm = np.concatenate(pieces)[: round(seconds * 24_000)]
    return np.asarray(pcm * 0.05 / np.sqrt(np.mean(pcm**2)), np.float32)


def level_db(pcm: NDArray[np.float32]) -> float:
    """RMS level in dBFS."""
    return float(10 * np.log10(np.mean(np.square(pcm, dtype=np.float64)) + 1e-12))
