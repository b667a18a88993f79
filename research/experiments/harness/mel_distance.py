"""How far decoded sound is from the original, by mel spectra."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from q2d2_stream.analysis_by_synthesis.losses import MelLoss
from q2d2_stream.config import SAMPLE_RATE

__all__ = ["mel_distance_db"]

Pcm = NDArray[np.float32]


def mel_distance_db(got: Pcm, wanted: Pcm) -> float:
    """Mean error of log mel magnitudes over four resolutions."""
    total = []
    with torch.no_grad():
        for scale in MelLoss(SAMPLE_RATE).scales:
            a, b = (torch.log(scale(torch.from_numpy(x)[None]) + 3e-5) for x in (got, wanted))
            total.append(float((a - b).abs().mean()))
    return float(np.mean(total)) * 20 / float(np.log(10))
