"""What a connection runs over: whole messages, in order, both ways."""

from __future__ import annotations

import asyncio
from typing import Protocol

__all__ = ["MemoryPipe", "Pipe"]

_QUEUE_MESSAGES = 256


class Pipe(Protocol):
    """One end of a message stream; recv from one task, send from one task."""

    @property
    def remote(self) -> str:
        """Who is at the other end, for people."""

    async def recv(self) -> bytes | str:
        """The next message; raises ConnectionError when there will be none."""

    async def send(self, data: bytes) -> None:
        """Send a message, waiting while the other end is slow; raises ConnectionError."""

    def unsent_bytes(self) -> int:
        """Bytes taken by :meth:`send` that have not left this machine."""

    async def close(self) -> None:
        """Hang up; a second call does nothing."""


class MemoryPipe(Pipe):
    """Two ends within one process, for the loopback demo and for tests."""

    def __init__(
        self, incoming: asyncio.Queue[bytes | None], outgoing: asyncio.Queue[bytes | None]
    ) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._is_open = True

    @classmethod
    def pair(cls) -> tuple[MemoryPipe, MemoryPipe]:
        """Both ends; what one sends the other receives."""
        there: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUE_MESSAGES)
        back: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUE_MESSAGES)
        return cls(back, there), cls(there, back)

    @property
    def remote(self) -> str:
        """Always "this process"."""
        return "this process"

    async def recv(self) -> bytes:
        """The next message."""
        data = await self._incoming.get() if self._is_open else None
        if data is None:
            self._is_open = False
            raise ConnectionError("the other end has hung up")
        return data

    async def send(self, data: bytes) -> None:
        """Send a message; waits while 256 are under way."""
        if not self._is_open:
            raise ConnectionError("the pipe is closed")
        await self._outgoing.put(data)

    def unsent_bytes(self) -> int:
        """Always 0: memory is fast."""
        return 0

    async def close(self) -> None:
        """Hang up."""
        if self._is_open:
            self._is_open = False
            if self._outgoing.full():
                self._outgoing.get_nowait()  # nobody reads: the end is told all the same
            self._outgoing.put_nowait(None)
