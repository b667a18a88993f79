"""A websocket on the listening side that strangers can neither fill nor keep busy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import ServerConnection

from q2d2_stream.protocol.limits import TokenBucket
from q2d2_stream.transport.limiter import Place, Progress
from q2d2_stream.transport.limits import ConnectionLimits

__all__ = ["LimitedConnection"]


class LimitedConnection(ServerConnection):
    """Hangs up on whoever exceeds the limits; the checks come before a byte is parsed.

    Args:
        limits: what a stranger may do.
        find_place: the place of a connection, by the peer's address.
        admit: gives a place to a connection that was accepted without one.
        arguments, options: as of websockets.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        find_place: Callable[[tuple[str, int], Callable[[], None]], Place | None],
        *arguments: Any,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits
        self._find_place = find_place
        self._place: Place | None = None
        self._received_bytes = 0
        self._bucket: TokenBucket | None = None

    def trust(self) -> None:
        """The handshake is done: the limits are a caller's from now on."""
        limits = self._limits.bytes
        self._bucket = TokenBucket(limits.per_s, limits.burst, time.monotonic())

    def advance(self, progress: Progress) -> None:
        """The stranger has come so far."""
        if self._place is not None:
            self._place.progress = max(self._place.progress, progress)

    @property
    def place(self) -> Place | None:
        """The place that it takes as a stranger's."""
        return self._place

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername") or ("unknown", 0)
        self._place = self._find_place((str(peer[0]), int(peer[1])), self.transport.abort)
        if self._place is None:
            self.transport.abort()
        else:
            # From now on there is a faster way to cut it off than its socket.
            self._place.drop = self.transport.abort
            self.loop.call_later(self._limits.first_bytes_s, self._expect_bytes)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if not self._may_receive(len(data)):
            self.transport.abort()
            return
        self.advance(Progress.SPOKEN)
        super().data_received(data)
        if self.transport.get_write_buffer_size() > self._limits.bytes.unread:
            self.transport.abort()

    def _expect_bytes(self) -> None:
        if not self._received_bytes and self._bucket is None:
            self.transport.abort()

    def _may_receive(self, count: int) -> bool:
        if self._bucket is not None:
            return self._bucket.take(count, time.monotonic())
        self._received_bytes += count
        return self._received_bytes <= self._limits.bytes.stranger
