"""Messages on their way into a transport."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from q2d2_stream.transport.base import Transport

__all__ = ["Outbox"]

_FLUSH_S = 1.0  # for the last word to a peer that does not read


class Outbox:
    """Sends messages in order, one after the other as the transport takes them.

    It has no bound of its own: a session makes no more messages than its owner has taken, and its
    owner makes no audio while bytes wait here.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._messages: deque[bytes] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._is_last = False

    def unsent_bytes(self) -> int:
        """Bytes of messages that have not left this machine."""
        return self._bytes + self._transport.unsent_bytes()

    def put(self, data: bytes) -> None:
        """Send ``data`` after what was put before."""
        self._messages.append(data)
        self._bytes += len(data)
        self._changed.set()

    def finish(self) -> None:
        """What was put is all: :meth:`run` then ends when it is sent."""
        self._is_last = True
        self._changed.set()

    async def run(self) -> None:
        """Send, until :meth:`finish` or until the connection breaks."""
        try:
            while True:
                while self._messages:
                    data = self._messages.popleft()
                    await self._transport.send(data)
                    self._bytes -= len(data)
                if self._is_last:
                    return
                self._changed.clear()
                await self._changed.wait()
        except ConnectionError:
            # Whoever reads notices too, but only after what has arrived: perhaps the peer's bye.
            self._messages.clear()
            self._bytes = 0

    async def drain(self, running: asyncio.Task[None]) -> None:
        """Let the task of :meth:`run` send what waits, for a second at most."""
        self.finish()
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_S):
                await running
