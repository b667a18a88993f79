"""A websocket, with its socket set up for speech: no delay, and no hidden backlog."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from q2d2_stream.transport.base import Transport

if TYPE_CHECKING:
    import ssl

    from websockets.asyncio.connection import Connection as WebSocket

__all__ = ["CLOSE_S", "WebSocketTransport", "unsent_in_kernel"]

CLOSE_S = 3.0
"""How long to wait for the peer's answer before a websocket is cut off. What is cut off loses what
it has not sent yet: this is long enough for TCP to send a last word that was lost a second and a
third time."""

# Room for what a round trip of two seconds has under way at 40 ms per message (Linux counts 1280
# bytes for a small segment and doubles this number). More could only hide a backlog from the
# rate_control on systems that do not tell how much of it is unsent.
_SEND_BUFFER_BYTES = 32_768
_NOTSENT_LOWAT = 2048
_SIOCOUTQNSD = 0x894B  # Linux, sockios.h: bytes in the send queue that were never sent
# Linux, tcp.h: struct tcp_info up to its tcpi_min_rtt, in microseconds
_TCPI_MIN_RTT = 148
_TCP_INFO_BYTES = 152
_UNKNOWN_US = 2**32 - 1
_SO_NWRITE = 0x1024  # macOS: bytes in the send buffer


def _set_up(sock: socket.socket) -> None:
    options: Sequence[tuple[int, int, int]] = (
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES),
        (socket.IPPROTO_TCP, getattr(socket, "TCP_NOTSENT_LOWAT", 25), _NOTSENT_LOWAT),
    )
    for level, name, value in options:
        with suppress(OSError):  # a system without one of them only adapts more slowly
            sock.setsockopt(level, name, value)


def unsent_in_kernel(sock: socket.socket) -> int:
    """Bytes that the system has accepted and not sent even once; 0 where it does not tell.

    ``sock.send`` succeeds as long as there is room in the send buffer, which is seconds of
    speech, so the size of the program's own buffer says nothing about a link that is too slow.
    """
    with suppress(OSError):
        if sys.platform == "linux":
            import fcntl

            (unsent,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), _SIOCOUTQNSD, bytes(4)))
            return int(unsent)
        if sys.platform == "darwin":
            return sock.getsockopt(socket.SOL_SOCKET, _SO_NWRITE)
    return 0


class WebSocketTransport(Transport):
    """An open websocket, of either side.

    Attributes:
        is_ipv6: whether it runs over IPv6.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._transport: asyncio.Transport = websocket.transport
        self._socket: socket.socket | None = self._transport.get_extra_info("socket")
        self.is_ipv6 = False
        if self._socket is not None:
            _set_up(self._socket)
            self.is_ipv6 = self._socket.family == socket.AF_INET6

    @property
    def remote(self) -> str:
        """The peer's address."""
        address = self._websocket.remote_address
        return f"{address[0]}:{address[1]}" if address else "unknown"

    def channel_binding(self) -> bytes:
        """What names the TLS connection below; empty without TLS.

        It is the finished message of the client, which covers the certificate and all keys.
        ``tls-unique`` is not defined for TLS 1.3 (RFC 9266 names an exporter in its place), since
        a connection may be resumed in ways that repeat it; nothing here resumes, and Python does
        not offer the exporter.
        """
        tls: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
        return b"" if tls is None else tls.get_channel_binding("tls-unique") or b""

    @property
    def remote_address(self) -> tuple[str, int] | None:
        """The peer's host and port; None when the socket does not tell."""
        address = self._websocket.remote_address
        return (address[0], address[1]) if address else None

    async def recv(self) -> bytes | str:
        """The next message."""
        from websockets.exceptions import ConnectionClosed

        try:
            return await self._websocket.recv()
        except ConnectionClosed as error:
            raise ConnectionError(str(error)) from error

    async def send(self, data: bytes) -> None:
        """Send a binary message; waits while 32 KiB are buffered."""
        from websockets.exceptions import ConnectionClosed

        try:
            await self._websocket.send(data)
        except ConnectionClosed as error:
            raise ConnectionError(str(error)) from error

    def unsent_bytes(self) -> int:
        """Bytes in this program's and the system's buffers that were not sent yet."""
        buffered = self._transport.get_write_buffer_size()
        if self._socket is not None and self._socket.fileno() >= 0:
            buffered += unsent_in_kernel(self._socket)
        return buffered

    def least_rtt_s(self) -> float | None:
        """What TCP has measured, on Linux: of its own handshake's packets at first."""
        if sys.platform != "linux" or self._socket is None or self._socket.fileno() < 0:
            return None
        with suppress(OSError, struct.error):
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
            (least_us,) = struct.unpack_from("I", info, _TCPI_MIN_RTT)
            return least_us / 1e6 if least_us < _UNKNOWN_US else None
        return None

    async def close(self) -> None:
        """Close the websocket; a peer that does not answer is cut off after three seconds.

        No other task may be in :meth:`recv`.
        """
        # The peer's answer comes after all that it has sent before.
        discarding = asyncio.create_task(self._discard())
        await self._websocket.close()
        await discarding

    async def _discard(self) -> None:
        with suppress(ConnectionError):
            while True:
                await self.recv()
