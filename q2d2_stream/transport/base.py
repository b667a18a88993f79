"""What a connection runs over: whole messages, in order, both ways."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Transport", "Wrap"]


class Transport(ABC):
    """One end of a message stream; recv from one task, send from one task."""

    @property
    @abstractmethod
    def remote(self) -> str:
        """Who is at the other end, for people."""

    @abstractmethod
    async def recv(self) -> bytes | str:
        """The next message; raises ConnectionError when there will be none."""

    @abstractmethod
    async def send(self, data: bytes) -> None:
        """Send a message, waiting while the other end is slow; raises ConnectionError."""

    @abstractmethod
    def unsent_bytes(self) -> int:
        """Bytes taken by :meth:`send` that have not left this machine."""

    def least_rtt_s(self) -> float | None:
        """The smallest round trip that the system has seen, of packets of any size; None where it
        does not tell."""
        return None

    @abstractmethod
    async def close(self) -> None:
        """Hang up; a second call does nothing."""


Wrap: TypeAlias = Callable[[Transport], Transport]
"""Puts something around a transport, such as a simulated network."""
