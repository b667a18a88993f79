"""How close what was heard is to what was said, when both are recordings of a call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

__all__ = ["Score", "score"]

_RATE = 24_000
_HOP = 120  # of the envelopes: 5 ms


@dataclass(frozen=True)
class Score:
    """PESQ-WB and STOI, and how much later it was heard than in the other recording."""

    pesq: float
    stoi: float
    offset_s: float


def score(said: NDArray[np.float32], heard: NDArray[np.float32]) -> Score:
    """Align ``heard`` with the speech in ``said`` and score it; both mono at 24 kHz.

    Silence scores nothing.

    The envelopes are aligned, not the samples: a codec that makes speech anew keeps no phases.
    """
    from pesq import pesq
    from pystoi import stoi

    begin, end = _speech(said)
    part = said[begin:end]
    at = _find(part, heard)
    at += _fine(part, _cut(heard, at, len(part)))
    found = _cut(heard, at, len(part))
    if not found.any():
        return Score(pesq=1.0, stoi=0.0, offset_s=0.0)
    narrow = [soxr.resample(pcm, _RATE, 16_000) for pcm in (part, found)]
    return Score(
        pesq=float(pesq(16_000, narrow[0], narrow[1], "wb")),
        stoi=float(stoi(part, found, _RATE)),
        offset_s=(at - begin) / _RATE,
    )


def _cut(pcm: NDArray[np.float32], at: int, samples: int) -> NDArray[np.float32]:
    """``samples`` of it from ``at`` on, silence where there is nothing."""
    before = max(0, -at)
    found = pcm[max(0, at) : max(0, at + samples)]
    return np.pad(found, (before, samples - before - len(found)))


def _envelope(pcm: NDArray[np.float32], hop: int = _HOP) -> NDArray[np.float64]:
    frames = pcm[: len(pcm) // hop * hop].reshape(-1, hop).astype(np.float64)
    return np.asarray(np.log10(np.mean(frames**2, axis=1) + 1e-7))


def _speech(pcm: NDArray[np.float32]) -> tuple[int, int]:
    """Where the speech begins and ends."""
    loud = np.flatnonzero(np.abs(pcm) > 0.02)
    return int(max(0, loud[0] - 1200)), int(min(len(pcm), loud[-1] + 1200))


def _find(part: NDArray[np.float32], heard: NDArray[np.float32]) -> int:
    """Where in ``heard`` the envelope of ``part`` is most alike."""
    wanted, there = _envelope(part), _envelope(heard)
    wanted = wanted - wanted.mean()
    there = np.pad(there - there.mean(), len(wanted) // 2)
    likeness = np.correlate(there, wanted, "valid")
    return (int(np.argmax(likeness)) - len(wanted) // 2) * _HOP


def _fine(part: NDArray[np.float32], found: NDArray[np.float32]) -> int:
    """The rest of the offset, in samples, by envelopes of a finer grid."""
    hop = 24
    one, other = (np.sqrt(10 ** _envelope(pcm, hop)) for pcm in (part, found))
    most = 20  # 20 ms either way
    scores = [
        float(np.dot(one[most:-most], other[most + lag : len(other) - most + lag]))
        for lag in range(-most, most + 1)
    ]
    return (int(np.argmax(scores)) - most) * hop
