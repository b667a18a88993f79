"""Means with confidence intervals, and the entropy of tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from research.eval.metrics import Score

__all__ = ["Mean", "TokenUse", "mean", "token_counts", "token_use"]


@dataclass(frozen=True)
class Mean:
    """A weighted mean over clips.

    Attributes:
        value: the mean.
        half_width: of its 95 % confidence interval; 0 for a single clip.
        clips: how many there were.
    """

    value: float
    half_width: float
    clips: int


def mean(scores: Sequence[Score]) -> Mean:
    """Weighted mean and its 95 % confidence interval, clips taken as independent.

    With unequal weights this is the ratio estimator and its linearized variance (Cochran,
    "Sampling Techniques", 1977, 6.3): for word errors, all errors over all words.

    Args:
        scores: at least one.
    """
    values = np.array([score.value for score in scores])
    weights = np.array([score.weight for score in scores])
    weights = weights / weights.sum()
    value = float(weights @ values)
    count = len(scores)
    if count < 2:
        return Mean(value, 0.0, count)
    variance = float(np.sum((weights * (values - value)) ** 2)) * count / (count - 1)
    return Mean(value, _student_t(count - 1) * math.sqrt(variance), count)


def _student_t(freedom: int) -> float:
    """97.5 % point of Student's t (Abramowitz and Stegun 26.7.5, within 2 % from 3 on)."""
    z = 1.959964
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


@dataclass(frozen=True)
class TokenUse:
    """How much of its grid a pair uses.

    Attributes:
        entropy_bits: of the pair's tokens, each taken by itself.
        size_bits: log2 of the number of its codes.
    """

    entropy_bits: float
    size_bits: float

    @property
    def share(self) -> float:
        """Entropy over size, 0 to 1; under 0.6 bits are wasted."""
        return self.entropy_bits / self.size_bits


def token_counts(indices: npt.NDArray[np.uint8], codes: Sequence[int]) -> list[list[int]]:
    """How often each code of each pair occurs in tokens of shape ``(frames, pairs)``."""
    return [
        np.bincount(indices[:, pair], minlength=codes[pair]).tolist()
        for pair in range(indices.shape[1])
    ]


def token_use(counts: Sequence[Sequence[int]]) -> list[TokenUse]:
    """Entropy of every pair from its counts, with Miller and Madow's (1955) correction.

    Args:
        counts: of every code of every pair, at least one token per pair.
    """
    uses = []
    for pair in counts:
        seen = np.array([count for count in pair if count], np.float64)
        total = seen.sum()
        share = seen / total
        bits = -float(share @ np.log2(share)) + (len(seen) - 1) / (2 * total * math.log(2))
        size = math.log2(len(pair))
        uses.append(TokenUse(min(bits, size), size))
    return uses
