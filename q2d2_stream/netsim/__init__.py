"""A simulated network, and a whole call over it in simulated time: for tests and ``--simulate``."""

from __future__ import annotations

from q2d2_stream.netsim.gilbert_elliott import GilbertElliott
from q2d2_stream.netsim.link import LinkSpec, SimulatedLink, parse_link
from q2d2_stream.netsim.simulated_call import SimulatedCall, simulate_call
from q2d2_stream.netsim.transport import SimulatedTransport, simulated

__all__ = [
    "GilbertElliott",
    "LinkSpec",
    "SimulatedCall",
    "SimulatedLink",
    "SimulatedTransport",
    "parse_link",
    "simulate_call",
    "simulated",
]
