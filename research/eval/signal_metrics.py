"""Quality metrics that compare waveforms and spectra: PESQ, STOI, ViSQOL.

Every function takes the original and the coded speech as float32 arrays of shape ``(n,)``,
24 kHz mono, already aligned and of equal length.
"""

from __future__ import annotations

import importlib.util
import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from q2d2_stream.errors import MissingExtra
from research.eval.clips import SAMPLE_RATE, resample

if TYPE_CHECKING:
    from visqol import VisqolApi

__all__ = ["Visqol", "pesq_wb", "stoi"]

_PESQ_FLOOR = 1.0
_STOI_FLOOR = 0.0


def pesq_wb(ref: npt.NDArray[np.float32], deg: npt.NDArray[np.float32]) -> float:
    """Wideband PESQ, ITU-T P.862.2: MOS-LQO from 1.04 (bad) to 4.64 (no difference).

    The comparison is at 16 kHz; PESQ aligns small delays by itself. Speech that is too quiet
    for PESQ to find an utterance in it scores 1.0.

    Raises:
        MissingExtra: the package pesq is not installed.
    """
    try:
        import pesq
    except ImportError as error:
        raise MissingExtra("pesq", "eval", "PESQ") from error
    wide = [resample(pcm, SAMPLE_RATE, 16_000) for pcm in (ref, deg)]
    with np.errstate(invalid="ignore"):  # pesq divides by the peak, which may be 0
        score = pesq.pesq(16_000, *wide, "wb", on_error=pesq.PesqError.RETURN_VALUES)
    # -1 stands for "no utterance found", NaN for a peak of 0.
    return float(score) if np.isfinite(score) and score > 0 else _PESQ_FLOOR


def stoi(ref: npt.NDArray[np.float32], deg: npt.NDArray[np.float32]) -> float:
    """Short-time objective intelligibility (Taal et al., 2011), about 0 to 1 (no difference).

    Computed at 10 kHz. A clip with under 0.4 s of speech scores 0.

    Raises:
        MissingExtra: the package pystoi is not installed.
    """
    try:
        import pystoi
    except ImportError as error:
        raise MissingExtra("pystoi", "eval", "STOI") from error
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(pystoi.stoi(ref, deg, SAMPLE_RATE, extended=False))
        except RuntimeWarning:  # raised by pystoi when no 30 frames of speech are left
            return _STOI_FLOOR


class Visqol:
    """ViSQOL v3 in speech mode (Chinen et al., 2020): MOS-LQO from 1 to about 4.9 at 16 kHz.

    The port's lattice mapping is used, as the original does by default. ViSQOL realigns each
    patch of 0.4 s by itself.

    Raises:
        MissingExtra: the package visqol-python or ai-edge-litert is not installed.
    """

    def __init__(self) -> None:
        try:
            from visqol import VisqolApi
        except ImportError as error:
            raise MissingExtra("visqol-python", "eval", "ViSQOL") from error
        # Without this runtime the package falls back to another mapping, on another scale.
        if importlib.util.find_spec("ai_edge_litert") is None:
            raise MissingExtra("ai-edge-litert", "eval", "ViSQOL")
        self._visqol: VisqolApi = VisqolApi()
        self._visqol.create(mode="speech", use_lattice_model=True)

    def __call__(self, ref: npt.NDArray[np.float32], deg: npt.NDArray[np.float32]) -> float:
        """The score of ``deg``; silence scores 1."""
        if not deg.any():
            return 1.0
        original, coded = (
            resample(pcm, SAMPLE_RATE, 16_000).astype(np.float64) for pcm in (ref, deg)
        )
        return float(self._visqol.measure_from_arrays(original, coded, 16_000).moslqo)
