"""Two scores in seconds, for watching a training run: PESQ-WB and STOI over a few clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from q2d2_stream.errors import InputError
from research.eval.signal_metrics import pesq_wb, stoi

__all__ = ["quick_scores"]


def quick_scores(
    roundtrip: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
    clips: Sequence[npt.NDArray[np.float32]],
) -> dict[str, float]:
    """Mean PESQ-WB and STOI of a codec over ``clips``: about 0.3 s of one core per clip.

    Args:
        roundtrip: encodes and decodes float32 samples of shape ``(n,)``, 24 kHz mono, range -1
            to 1, and returns as many with the codec's delay removed. A result that is longer
            is cut, a shorter one is filled with zeros.
        clips: originals, at least half a second each
            (``[clip.pcm for clip in load_clips(folder, limit=10)]``).

    Returns:
        ``{"pesq": 1 to 4.64, "stoi": 0 to 1}``.

    Raises:
        InputError: there are no clips, or ``roundtrip`` returns NaN or infinity.
        MissingExtra: the package pesq or pystoi is not installed.
    """
    if not clips:
        raise InputError("there are no clips to score, expected at least one")
    scores = {"pesq": 0.0, "stoi": 0.0}
    for ref in clips:
        deg = np.asarray(roundtrip(ref), np.float32).reshape(-1)[: len(ref)]
        if not np.isfinite(deg).all():
            raise InputError("the codec returned NaN or infinity, expected finite samples")
        deg = np.pad(deg, (0, len(ref) - len(deg)))
        scores["pesq"] += pesq_wb(ref, deg) / len(clips)
        scores["stoi"] += stoi(ref, deg) / len(clips)
    return scores
