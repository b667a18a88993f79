"""Receiving a call: jitter buffer, target delay, time-stretching, drift.

Everything here takes ``now`` as an argument and never reads a clock. See :class:`Playout`.
"""

from __future__ import annotations

from q2d2_stream.playout.options import PlayoutOptions
from q2d2_stream.playout.playout import Decoder, Playout
from q2d2_stream.playout.stats import DelayParts, PlayoutStats

__all__ = [
    "Decoder",
    "DelayParts",
    "Playout",
    "PlayoutOptions",
    "PlayoutStats",
]
