"""A websocket on the listening side that strangers can neither fill nor keep busy."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

from websockets.asyncio.server import ServerConnection

from q2d2_stream.protocol.limits import TokenBucket
from q2d2_stream.transport.limits import ConnectionLimits

__all__ = ["ConnectionLimiter", "LimitedConnection"]


class ConnectionLimiter(Protocol):
    """Who decides about new connections."""

    limits: ConnectionLimits

    def admit(self, host: str) -> bool:
        """Count a new TCP connection from ``host``; False when it is one too many."""

    def forget(self, host: str) -> None:
        """A connection that was admitted has ended."""


class LimitedConnection(ServerConnection):
    """Asks its limiter first, and hangs up on whoever exceeds the limits.

    The checks come before a byte is parsed.
    """

    def __init__(self, limiter: ConnectionLimiter, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limiter = limiter
        self._byte_limits = limiter.limits.bytes
        self._host: str | None = None
        self._received_bytes = 0
        self._bucket: TokenBucket | None = None

    def trust(self) -> None:
        """The handshake is done: the limits are a caller's from now on."""
        limits = self._byte_limits
        self._bucket = TokenBucket(limits.per_s, limits.burst, time.monotonic())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        host = str(peer[0]) if peer else "unknown"
        if self._limiter.admit(host):
            self._host = host
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        super().connection_lost(exc)
        if self._host is not None:
            self._limiter.forget(self._host)
            self._host = None

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if not self._may_receive(len(data)):
            self.transport.abort()
            return
        super().data_received(data)
        if self.transport.get_write_buffer_size() > self._byte_limits.unread:
            self.transport.abort()

    def _may_receive(self, count: int) -> bool:
        if self._bucket is not None:
            return self._bucket.take(count, time.monotonic())
        self._received_bytes += count
        return self._received_bytes <= self._byte_limits.stranger
