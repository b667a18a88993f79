"""Live calls: the asyncio shell that joins sound, codec, protocol and playout.

See docs/guides/call.md.
"""

from __future__ import annotations

from q2d2_stream.call.client import CallClient, ClientOptions
from q2d2_stream.call.connection import Connection
from q2d2_stream.call.connector import Connector
from q2d2_stream.call.live import IncomingCalls, connect, serve
from q2d2_stream.call.live_call import LiveCall
from q2d2_stream.call.live_room import LiveRoom, join
from q2d2_stream.call.options import CallOptions
from q2d2_stream.call.room_call import RoomCall
from q2d2_stream.call.server import CallServer
from q2d2_stream.call.session import CallSession
from q2d2_stream.call.stats import CallStats, DirectionStats
from q2d2_stream.transport.address import Address, parse_address
from q2d2_stream.transport.limits import ConnectionLimits

__all__ = [
    "Address",
    "CallClient",
    "CallOptions",
    "CallServer",
    "CallSession",
    "CallStats",
    "ClientOptions",
    "Connection",
    "ConnectionLimits",
    "Connector",
    "DirectionStats",
    "IncomingCalls",
    "LiveCall",
    "LiveRoom",
    "RoomCall",
    "connect",
    "join",
    "parse_address",
    "serve",
]
