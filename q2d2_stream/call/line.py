"""How a party comes by connections: it dials them, or they come in."""

from __future__ import annotations

from typing import Protocol

from q2d2_stream.call.connection import Connection
from q2d2_stream.wire import Call, Closed

__all__ = ["Line"]


class Line(Protocol):
    """A way to a peer. The connections it gives are established and running."""

    async def open(self) -> Connection | Closed:
        """A connection for a new call, or why there is none; a listener waits for ever."""

    async def reopen(self, call: Call) -> Connection | Closed:
        """Another connection for ``call``, whose last one broke, or why there is none."""
