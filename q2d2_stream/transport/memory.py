"""Two ends of a transport within one process: for the loopback demo and for tests."""

from __future__ import annotations

import asyncio

from q2d2_stream.transport.base import Transport

__all__ = ["MemoryTransport"]

_QUEUE_MESSAGES = 256


class MemoryTransport(Transport):
    """Two ends within one process, for the loopback demo and for tests."""

    def __init__(
        self, incoming: asyncio.Queue[bytes | None], outgoing: asyncio.Queue[bytes | None]
    ) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._is_open = True

    @classmethod
    def pair(cls) -> tuple[MemoryTransport, MemoryTransport]:
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
            raise ConnectionError("the transport is closed")
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
