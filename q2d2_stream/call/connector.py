"""How a call comes by its connections: it dials them, or they come in."""

from __future__ import annotations

from abc import ABC, abstractmethod

from q2d2_stream.call.connection import Connection
from q2d2_stream.protocol import Call, Closed

__all__ = ["Connector"]


class Connector(ABC):
    """A way to a peer. The connections it gives are established and running."""

    @property
    @abstractmethod
    def hold_s(self) -> float:
        """How long a call whose connection broke is kept."""

    @abstractmethod
    async def open(self) -> Connection | Closed:
        """A connection for a new call, or why there is none; a listener waits for ever."""

    @abstractmethod
    async def reopen(self, call: Call) -> Connection | Closed:
        """Another connection for ``call``, whose last one broke, or why there is none."""
