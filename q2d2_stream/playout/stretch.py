"""Time-stretching of decoded speech: leave out or repeat one pitch period, without a click.

WSOLA (Verhelst and Roelands 1993) reduced to one splice per call, as NetEQ's ``accelerate`` and
``preemptive_expand`` do it. The splice is a cross-fade between two places that look alike::

    accelerate   a a a[b b b]c c c[d d d]e e e      ->   a a a[b->d]e e e
                       `-- lag --->                      shorter by the lag
    expand       h h h[i i i]|[j j j]k k k          ->   [j->i]j j j k k k
                       <-- lag ---'                      longer by the lag

where the lag is the shift with the highest normalised cross-correlation. A splice is made only
where that correlation is high (voiced speech) or where the signal is quiet (any lag will do).
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["BLOCK_SAMPLES", "HISTORY_SAMPLES", "MAX_LAG_SAMPLES", "accelerate", "expand"]

MAX_LAG_SAMPLES = 320
"""Longest period that is left out or repeated: 13.3 ms, a voice of 75 Hz."""

BLOCK_SAMPLES = 640
"""Samples that :func:`accelerate` works on: two frames."""

HISTORY_SAMPLES = 320
"""Samples already played that :func:`expand` needs to see."""

_MIN_LAG = 60  # 400 Hz
_FADE = 240  # 10 ms, also the correlation window: shorter ones lock onto formants
_DECIMATE = 4  # the coarse search runs at 6 kHz, as pitch lives below 3 kHz

_COARSE_LAGS = np.arange(_MIN_LAG // _DECIMATE, MAX_LAG_SAMPLES // _DECIMATE + 1)
_COARSE_STARTS = np.array([0, 10, 20])  # splice points 1.7 ms apart
_COARSE_FADE = _FADE // _DECIMATE
_RISE = ((np.arange(_FADE) + 0.5) / _FADE).astype(np.float32)
_FALL = (1.0 - _RISE).astype(np.float32)

Pcm = NDArray[np.float32]


def accelerate(pcm: Pcm, *, quiet: bool = False, min_correlation: float = 0.8) -> Pcm:
    """Leaves out one period.

    Args:
        pcm: float32, shape ``(640,)``, not played yet.
        quiet: whether this is background only, where the longest lag is taken unseen.
        min_correlation: least similarity, 0 to 1, that a splice needs.

    Returns:
        float32, shorter by 60 to 320 samples; ``pcm`` itself where no place is good enough.
        The first and the last sample are those of ``pcm``.
    """
    if quiet:
        start, lag, similarity = 0, MAX_LAG_SAMPLES, 0.0
    else:
        start, lag, similarity = _best_splice(pcm, backwards=False)
        if similarity < min_correlation:
            return pcm
    resume = start + lag
    fade = _crossfade(pcm[start : start + _FADE], pcm[resume : resume + _FADE], similarity)
    return np.concatenate((pcm[:start], fade, pcm[resume + _FADE :]))


def expand(history: Pcm, pcm: Pcm, *, quiet: bool = False, min_correlation: float = 0.8) -> Pcm:
    """Repeats one period.

    Args:
        history: float32, shape ``(320,)``, the samples played last.
        pcm: float32, shape ``(320,)``, the samples to play next.
        quiet: whether this is background only, where the longest lag is taken unseen.
        min_correlation: least similarity, 0 to 1, that a splice needs.

    Returns:
        float32, longer than ``pcm`` by 60 to 320 samples; ``pcm`` itself where no place is good
        enough. It continues ``history`` and ends as ``pcm`` does.
    """
    both = np.concatenate((history, pcm))
    if quiet:
        start, lag, similarity = HISTORY_SAMPLES, MAX_LAG_SAMPLES, 0.0
    else:
        start, lag, similarity = _best_splice(both, backwards=True)
        if similarity < min_correlation:
            return pcm
    resume = start - lag
    fade = _crossfade(both[start : start + _FADE], both[resume : resume + _FADE], similarity)
    return np.concatenate((both[HISTORY_SAMPLES:start], fade, both[resume + _FADE :]))


def _crossfade(old: Pcm, new: Pcm, similarity: float) -> Pcm:
    # Linear for equal signals, equal power for unrelated ones, in between by their correlation.
    rho = min(max(similarity, 0.0), 1.0)
    power = _RISE * _RISE + _FALL * _FALL + np.float32(2.0 * rho) * _RISE * _FALL
    faded: Pcm = (old * _FALL + new * _RISE) / np.sqrt(power)
    return faded


def _best_splice(pcm: Pcm, *, backwards: bool) -> tuple[int, int, float]:
    """Where to leave ``pcm`` (640 samples), the lag to where it goes on, and their correlation."""
    coarse = pcm.reshape(-1, _DECIMATE).sum(axis=1)
    windows = sliding_window_view(coarse, _COARSE_FADE)
    starts = _COARSE_STARTS + (HISTORY_SAMPLES // _DECIMATE if backwards else 0)
    places = starts[:, None] + (-_COARSE_LAGS if backwards else _COARSE_LAGS)
    energy = np.einsum("ij,ij->i", windows, windows) + 1e-9
    products = windows[starts] @ windows.T
    scores = np.take_along_axis(products, places, axis=1) / np.sqrt(
        energy[starts][:, None] * energy[places]
    )
    row, column = divmod(int(np.argmax(scores)), len(_COARSE_LAGS))
    start = int(starts[row]) * _DECIMATE
    lag = int(_COARSE_LAGS[column]) * _DECIMATE
    # The exact lag, at the full rate, within one coarse step.
    lags = np.arange(max(lag - 3, _MIN_LAG), min(lag + 3, MAX_LAG_SAMPLES) + 1)
    fine = sliding_window_view(pcm, _FADE)
    here = fine[start]
    there = fine[start - lags if backwards else start + lags]
    norm = np.sqrt(float(here @ here) * np.einsum("ij,ij->i", there, there)) + 1e-9
    similarity = (there @ here) / norm
    best = int(np.argmax(similarity))
    return start, int(lags[best]), float(similarity[best])
