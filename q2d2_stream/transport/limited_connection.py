"""A websocket on the listening side that strangers can neither fill nor keep busy."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Response
from websockets.protocol import State

from q2d2_stream.protocol.limits import TokenBucket
from q2d2_stream.transport.limiter import Place, Progress
from q2d2_stream.transport.limits import ConnectionLimits

__all__ = ["LimitedConnection"]


_UNSENT_BYTES = 65_536  # of a body in the system's buffer


class _SentResponse(Response):
    """A response that was written already."""

    def serialize(self) -> bytes:
        """Nothing more."""
        return b""


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
        self._is_answering = False

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
            self.loop.call_later(self._limits.open_s, self._expect_open)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if not self._may_receive(len(data)):
            self.transport.abort()
            return
        self.advance(Progress.SPOKEN)
        super().data_received(data)
        if self.transport.get_write_buffer_size() > self._limits.bytes.unread:
            self.transport.abort()

    async def answer(self, response: Response, pieces: AsyncIterator[bytes]) -> Response:
        """Send a response with a body of any length; for ``process_request``.

        What the peer has not taken is not kept here, and a peer that takes nothing is cut off.
        websockets would keep all of it and give it ``close_timeout`` seconds.

        Args:
            response: without its body.
            pieces: of the body.

        Returns what ``process_request`` is to return.
        """
        self._is_answering = True
        self.close_timeout = self._limits.take_s
        sock: socket.socket = self.transport.get_extra_info("socket")
        with suppress(OSError):  # else a piece may wait behind a full buffer of the system's
            lowat = getattr(socket, "TCP_NOTSENT_LOWAT", 25)
            sock.setsockopt(socket.IPPROTO_TCP, lowat, _UNSENT_BYTES)
        self.transport.write(response.serialize())
        async for piece in pieces:
            self.transport.write(piece)
            try:
                async with asyncio.timeout(self._limits.take_s):
                    await self.drain()
            except TimeoutError:
                self.transport.abort()
            if self.transport.is_closing():
                break
        return _SentResponse(response.status_code, response.reason_phrase, response.headers)

    def _expect_open(self) -> None:
        # Not websockets' open_timeout: it would cut off a page on a slow link.
        if self.protocol.state is State.CONNECTING and not self._is_answering:
            self.transport.abort()

    def _expect_bytes(self) -> None:
        if not self._received_bytes and self._bucket is None:
            self.transport.abort()

    def _may_receive(self, count: int) -> bool:
        if self._bucket is not None:
            return self._bucket.take(count, time.monotonic())
        self._received_bytes += count
        return self._received_bytes <= self._limits.bytes.stranger
