"""Receiving a call: jitter buffer, target delay, time-stretching, drift, and a simulated network.

Everything here takes ``now`` as an argument and never reads a clock. See :class:`Playout`.
"""

from __future__ import annotations

from q2d2_stream.playout.network import LinkSpec, SimulatedLink, parse_link
from q2d2_stream.playout.options import PlayoutOptions
from q2d2_stream.playout.playout import Decoder, Playout
from q2d2_stream.playout.simulate import SimulatedCall, simulate_call
from q2d2_stream.playout.stats import DelayParts, PlayoutStats

__all__ = [
    "Decoder",
    "DelayParts",
    "LinkSpec",
    "Playout",
    "PlayoutOptions",
    "PlayoutStats",
    "SimulatedCall",
    "SimulatedLink",
    "parse_link",
    "simulate_call",
]
