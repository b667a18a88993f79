"""Indices to bytes of a fixed size and back; :mod:`q2d2_stream.entropy` makes fewer of them.

All the indices of a call form one number in mixed radix, so that no frame and no pair is rounded
up to whole bits; only the whole is rounded up to whole bytes.

    number = i[0] + n[0] * (i[1] + n[1] * (i[2] + ...))

runs through the pairs of the first frame, then those of the second, and so on; ``n`` are the sizes
of the pairs' grids. The number is stored little-endian in as few bytes as its largest value needs.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.arguments import require_bytes, require_indices
from q2d2_stream.config import CodecConfig
from q2d2_stream.errors import InputError

__all__ = ["MAX_FRAMES", "pack", "packed_bytes", "unpack"]

MAX_FRAMES = 1024
"""Most frames of one call (13.7 s): the cost of a big number grows with its square."""


@lru_cache(maxsize=256)
def _different(codes: tuple[int, ...], frames: int) -> int:
    """How many different numbers ``frames`` frames make."""
    per_frame = math.prod(codes)
    return int(per_frame**frames)


def _check_frames(frames: int) -> None:
    if not isinstance(frames, int | np.integer) or not 0 <= frames <= MAX_FRAMES:
        raise InputError(f"{frames} frames cannot be packed, expected 0 to {MAX_FRAMES} in a call")


def packed_bytes(config: CodecConfig, rate: int, frames: int) -> int:
    """Bytes that ``frames`` frames (0 to MAX_FRAMES) take together at ``rate``.

    Raises:
        InputError: no such rate, or a number of frames out of range.
    """
    _check_frames(frames)
    return config.index_to_rate(rate).packed_bytes(frames)


def pack(indices: NDArray[np.uint8], config: CodecConfig) -> bytes:
    """The bytes of the indices ``(frames, pairs)``; the number of pairs says the rate.

    Raises:
        InputError: not uint8, not two axes, no such rate, too many frames, or an index that is
            not below ``config.codebook_sizes``.
    """
    require_indices(indices)
    frames, pairs = indices.shape
    _check_frames(frames)
    rate = config.width_to_rate(pairs)
    codes = rate.codebook_sizes
    if pairs != len(codes):
        raise InputError(
            f"frames of {pairs} numbers have no fixed size, expected {len(codes)} at this rate: "
            "refinement in steps and symbols is for entropy coding"
        )
    total = 0
    per_frame = _different(codes, 1)
    for frame in reversed(indices.tolist()):
        number = 0
        for pair in reversed(range(pairs)):
            index = frame[pair]
            if index >= codes[pair]:
                raise InputError(
                    f"an index of pair {pair} is {index}, expected 0 to {codes[pair] - 1}"
                )
            number = number * codes[pair] + index
        total = total * per_frame + number
    return total.to_bytes(rate.packed_bytes(frames), "little")


def unpack(data: bytes, config: CodecConfig, rate: int, frames: int) -> NDArray[np.uint8]:
    """Indices ``(frames, pairs)`` of exactly ``frames`` frames at ``rate``.

    Raises:
        InputError: no such rate, a number of frames out of range, data of another length, or
            bytes that :func:`pack` never makes.
    """
    require_bytes(data, "data")
    expected = packed_bytes(config, rate, frames)
    codes = config.ladder[rate].codebook_sizes
    pairs = len(codes)
    if len(data) != expected:
        raise InputError(
            f"{len(data)} bytes hold no {frames} frames of {pairs} pairs, expected {expected} bytes"
        )
    total = int.from_bytes(data, "little")
    if total >= _different(codes, frames):
        raise InputError(
            f"the {expected} bytes are out of the range of {frames} frames of {pairs} pairs, "
            "so they are damaged or packed by another codec"
        )
    indices = np.empty((frames, pairs), dtype=np.uint8)
    per_frame = _different(codes, 1)
    for row in indices:
        total, number = divmod(total, per_frame)
        for pair, size in enumerate(codes):
            number, row[pair] = divmod(number, size)
    return indices
