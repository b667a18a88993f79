"""A relay: forwards the sealed messages of rooms, and can open none of them.

``q2d2 relay`` runs one. Several of them hold the same rooms together over a :class:`Bus`.
"""

from __future__ import annotations

from q2d2_stream.relay.bus import Bus, MemoryBus
from q2d2_stream.relay.limits import RelayLimits
from q2d2_stream.relay.server import Relay

__all__ = ["Bus", "MemoryBus", "Relay", "RelayLimits"]
