"""Where the decoder's noise stands after so many frames, without running it.

The decoder's noise (docs/topics/codec.md) is one linear congruential generator per bin, of full
period, so its state is a function of the number of the frame alone. Two decoders that agree on that
number make the same noise, and begin their pulses alike (:mod:`q2d2_stream.refinement`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["INCREMENT", "MODULUS", "MULTIPLIER", "noise_seeds", "noise_state"]

MULTIPLIER, INCREMENT, MODULUS = 1229, 2531, 4096


@lru_cache(maxsize=4)
def noise_seeds(count: int) -> NDArray[np.int64]:
    """``count`` integers below MODULUS without any order, by the finalizer of SplitMix64 (Steele,
    Lea and Flood 2014): the same on every machine and in every version."""
    mask = (1 << 64) - 1
    numbers = []
    for n in range(1, count + 1):
        z = n * 0x9E3779B97F4A7C15 & mask
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        numbers.append(((z ^ z >> 31) >> 40) % MODULUS)
    seeds = np.array(numbers, np.int64)
    seeds.setflags(write=False)
    return seeds


@lru_cache(maxsize=1)
def _jumps() -> tuple[tuple[int, int], ...]:
    """Factor and summand of 0 to 4095 steps at once."""
    jumps, factor, offset = [], 1, 0
    for _ in range(MODULUS):
        jumps.append((factor, offset))
        factor, offset = factor * MULTIPLIER % MODULUS, (offset * MULTIPLIER + INCREMENT) % MODULUS
    return tuple(jumps)


def noise_state(frames: int, bins: int) -> NDArray[np.float32]:
    """The decoder's state "noise" after ``frames`` frames from the initial state, ``(1, bins)``:
    each generator's distance from its seed. It comes again every 4096 frames."""
    factor, offset = _jumps()[frames % MODULUS]
    seeds = noise_seeds(bins)
    return ((seeds * factor + offset) % MODULUS - seeds).astype(np.float32)[None]
