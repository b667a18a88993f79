"""What carries a call's messages: websocket, memory; addresses, TLS, limits for strangers."""

from __future__ import annotations

from q2d2_stream.transport.address import Address, parse_address
from q2d2_stream.transport.base import Transport
from q2d2_stream.transport.limits import ConnectionLimits
from q2d2_stream.transport.memory import MemoryTransport

__all__ = ["Address", "ConnectionLimits", "MemoryTransport", "Transport", "parse_address"]
