"""Frames of speech on their way: what protocol, sending and playout hand to each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["AudioFrames"]


@dataclass(frozen=True, eq=False)
class AudioFrames:
    """Consecutive frames of one rate, on their way out or in.

    Attributes:
        sequence: number of the first frame among those meant to be sent, modulo 2**32.
        timestamp: number of the first frame among those captured, modulo 2**32.
        indices: uint8 of shape ``(frames, pairs)``, 1 to 16 frames.
        start: the first frame begins a talk spurt.
        end: the last frame ends a talk spurt.
        dtx: a keep-alive inside silence; its sound is the background noise.
        is_copy: sent before, at a higher rate; stands in for what was lost of that.
        packet: the indices as a packet, where it was made before: on the codec's thread, as
            entropy coding costs the event loop more than all else that a message needs.
    """

    sequence: int
    timestamp: int
    indices: NDArray[np.uint8]
    start: bool = False
    end: bool = False
    dtx: bool = False
    is_copy: bool = False
    packet: bytes | None = None
