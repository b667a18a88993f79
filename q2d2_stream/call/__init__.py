"""Live calls: the asyncio shell that joins sound, codec, wire and playout; see docs/calls.md."""

from __future__ import annotations

from q2d2_stream.call.address import Address, parse_address
from q2d2_stream.call.connection import Connection
from q2d2_stream.call.dialer import Dialer, DialerOptions
from q2d2_stream.call.limits import ListenerLimits
from q2d2_stream.call.line import Line
from q2d2_stream.call.listener import Listener
from q2d2_stream.call.options import CallOptions
from q2d2_stream.call.party import Party
from q2d2_stream.call.stats import CallStats, DirectionStats

__all__ = [
    "Address",
    "CallOptions",
    "CallStats",
    "Connection",
    "Dialer",
    "DialerOptions",
    "DirectionStats",
    "Line",
    "Listener",
    "ListenerLimits",
    "Party",
    "parse_address",
]
