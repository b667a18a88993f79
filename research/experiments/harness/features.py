"""Speech as frames of numbers, once for all experiments: mel spectrum, pitch and voicing.

A frame holds 96 log mel magnitudes of the 640 samples that end with it, log2 of the pitch
(interpolated where there is none), and whether it is voiced: what stage 0 asks of the latents
(:class:`research.train.stages.LatentStage`), without its time structure inside the frame.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from q2d2_stream.analysis_by_synthesis.losses import MelSpectrum
from q2d2_stream.config import SAMPLE_RATE
from research.eval.clips import load_clips
from research.train.batches import fill_unvoiced
from research.train.corpus import Corpus, voice_pitch

__all__ = [
    "BANDS",
    "DIMS",
    "HOP",
    "NEPERS",
    "corpus_features",
    "features_to_mel",
    "folder_features",
    "pcm_to_features",
]

Frames = NDArray[np.float16]  # (frames, DIMS)

HOP = 320
BANDS = 96
DIMS = BANDS + 2
NEPERS = 2.0
"""Nepers to a unit of a mel feature."""
_CENTRE = -6.0
_FLOOR = 3e-5
_PITCH_HZ = 150.0
_CHUNK = 4096  # frames at a time


def pcm_to_features(pcm: NDArray[np.float32], f0: NDArray[np.float32]) -> Frames:
    """Samples ``(320 * n,)`` in -1..1 and the pitch at the end of every frame ``(n,)``, in Hz and
    0 where unvoiced -> ``(n, DIMS)``."""
    mel = MelSpectrum(2 * HOP, BANDS, HOP, SAMPLE_RATE)
    count = len(pcm) // HOP
    padded = np.concatenate([np.zeros(HOP, np.float32), pcm[: count * HOP]])
    found = np.empty((count, DIMS), np.float16)
    with torch.no_grad():
        for first in range(0, count, _CHUNK):
            last = min(count, first + _CHUNK)
            part = torch.from_numpy(padded[first * HOP : (last + 1) * HOP].copy())
            log = torch.log(mel(part[None])[0] + _FLOOR)
            found[first:last, :BANDS] = ((log - _CENTRE) / NEPERS).numpy()
    found[:, BANDS] = np.log2(fill_unvoiced(f0[:count]) / _PITCH_HZ)
    found[:, BANDS + 1] = f0[:count] > 0
    return found


def features_to_mel(frames: torch.Tensor) -> torch.Tensor:
    """``(..., DIMS)`` -> mel magnitudes ``(..., BANDS)``."""
    return torch.exp(frames[..., :BANDS] * NEPERS + _CENTRE) - _FLOOR


def corpus_features(corpus: Corpus, cache: Path, minutes: float) -> Frames:
    """The first ``minutes`` of every source, one after the other; kept in ``cache``."""
    limit = int(minutes * 60 * SAMPLE_RATE) // HOP
    known = json.dumps([[s.name, len(s.pcm)] for s in corpus.sources] + [limit])
    path = cache / f"features-{hashlib.sha256(known.encode()).hexdigest()[:12]}.npy"
    if not path.exists():
        parts = []
        for source in corpus.sources:
            count = min(limit, len(source.pcm) // HOP)
            pcm = source.pcm[: count * HOP].astype(np.float32) / 32767.0
            parts.append(pcm_to_features(pcm, np.asarray(source.f0[1 : count + 1])))
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            np.save(file, np.concatenate(parts))
        unfinished.replace(path)
    kept: Frames = np.load(path, mmap_mode="r")
    return kept


def folder_features(folder: Path, cache: Path) -> Frames:
    """All clips of a folder, one after the other; kept in ``cache``."""
    path = cache / f"{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}.npy"
    if not path.exists():
        parts = []
        for clip in load_clips(folder):
            f0 = voice_pitch(clip.pcm.astype(np.float64), SAMPLE_RATE, HOP)
            parts.append(pcm_to_features(clip.pcm, f0[1:]))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.concatenate(parts))
    kept: Frames = np.load(path)
    return kept
