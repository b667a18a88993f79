"""Datagrams beside a websocket: to the same address and port, for those who can prove themselves.

A datagram is a sealed message, in a call as on the websocket, between a member of a room and its
relay as in :mod:`q2d2_stream.rooms.datagrams`. The client's probes have the path's token in front,
by which the listener finds the connection they belong to, whatever address they come from::

    probe   | 0 | token 8 | sealed message |
    others  | sealed message |

Nothing is answered unless the seal of what came opens, and an answer is never longer than the
probe. Audio goes only to an address that has answered a probe of this side's, so that nobody can
point a call's audio at a third party.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, cast

__all__ = ["TOKEN_BYTES", "Route", "UdpEndpoint", "UdpHub", "connect_udp"]

TOKEN_BYTES = 8
_PROBE = b"\0"
_MAX_DATAGRAM_BYTES = 1200
_SEND_BUFFER_BYTES = 16_384


class Route(NamedTuple):
    """Where a datagram came from, and where an answer goes.

    Attributes:
        socket: of this side.
        address: of the other side; None on a connected socket.
    """

    socket: DatagramSocket
    address: tuple[Any, ...] | None

    def send(self, data: bytes) -> None:
        """Send a datagram there."""
        self.socket.send(data, self.address)


class DatagramSocket(asyncio.DatagramProtocol):
    """A UDP socket in the event loop.

    Args:
        on_datagram: called with what comes and from where.
        buffer_bytes: of the system, each way; None: few to send, so that nothing waits there, and
            the usual to receive.

    Attributes:
        dropped: datagrams that the system did not take.
    """

    def __init__(
        self, on_datagram: Callable[[bytes, Route], None], buffer_bytes: int | None = None
    ) -> None:
        self._on_datagram = on_datagram
        self._buffer_bytes = buffer_bytes
        self.dropped = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._is_connected = False

    async def open(
        self, *, local: tuple[str, int] | None = None, remote: tuple[str, int] | None = None
    ) -> None:
        """Bind, or connect so that the system drops what others send. Raises OSError."""
        self._is_connected = remote is not None
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=local, remote_addr=remote)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.DatagramTransport, transport)
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is None:
            return
        with suppress(OSError):
            size = self._buffer_bytes or _SEND_BUFFER_BYTES
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
            if self._buffer_bytes is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Called by asyncio."""
        if len(data) <= _MAX_DATAGRAM_BYTES:
            self._on_datagram(data, Route(self, None if self._is_connected else addr))

    def error_received(self, exc: Exception) -> None:
        """Called by asyncio: nobody listens there (ICMP). Probes find that out by themselves."""

    @property
    def port(self) -> int:
        """The port that it is bound to, once open."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def send(self, data: bytes, address: tuple[Any, ...] | None) -> None:
        """Send a datagram, or drop it when the system takes no more."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        waiting = cast(asyncio.WriteTransport, transport).get_write_buffer_size()
        if waiting < _SEND_BUFFER_BYTES:
            transport.sendto(data, address)
        else:
            self.dropped += 1

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()


class UdpEndpoint:
    """One connection's end of a path; made by :meth:`UdpHub.add` or :func:`connect_udp`.

    Args:
        token: of the path, :data:`TOKEN_BYTES` long.
        hub: of a listener; None on the dialling side.
        route: to the listener, known from the beginning on the dialling side.
    """

    def __init__(self, token: bytes, hub: UdpHub | None, route: Route | None = None) -> None:
        self._token = token
        self._hub = hub
        self._candidate = self._proved = route
        self._handler: Callable[[bytes, Route], None] | None = None

    @property
    def can_probe(self) -> bool:
        """Whether there is an address to probe: a listener has none before the first probe."""
        return self._candidate is not None

    def attach(self, handler: Callable[[bytes, Route], None]) -> None:
        """Call ``handler(sealed message, where from)`` for all that comes."""
        self._handler = handler

    def take(self, data: bytes, route: Route) -> None:
        """A datagram of this path, without the token, has come."""
        if self._handler is not None:
            self._handler(data, route)

    def admit(self, route: Route) -> bool:
        """A probe that came this way opened; whether the way is a new one."""
        if self._hub is None or route == self._candidate:
            return False
        if self._candidate != self._proved:
            self._hub.forget(self._candidate, self)
        self._candidate = route
        self._hub.know(route, self)
        return True

    def prove(self, route: Route) -> None:
        """The other side has answered a probe this way: audio may go there."""
        if self._hub is not None and route == self._candidate != self._proved:
            self._hub.forget(self._proved, self)
            self._proved = route

    def named(self, data: bytes) -> bytes:
        """A datagram by which a listener finds this path, whatever address it comes from."""
        return data if self._hub else _PROBE + self._token + data

    def send_probe(self, data: bytes) -> int:
        """Send a probe to where the peer seems to be; how many bytes went."""
        if self._candidate is None:
            return 0
        named = self.named(data)
        self._candidate.send(named)
        return len(named)

    def send(self, data: bytes) -> None:
        """Send to where the peer has proved to be."""
        if self._proved is not None:
            self._proved.send(data)

    def close(self) -> None:
        """Leave the path."""
        self._handler = None
        if self._hub is not None:
            self._hub.remove(self._token, self)
            for route in (self._proved, self._candidate):
                self._hub.forget(route, self)
        elif self._proved is not None:
            self._proved.socket.close()


async def connect_udp(host: str, port: int, token: bytes) -> UdpEndpoint:
    """The dialling side's end of a path. Raises OSError."""
    endpoint: UdpEndpoint

    def take(data: bytes, route: Route) -> None:
        endpoint.take(data, route)

    sock = DatagramSocket(take)
    endpoint = UdpEndpoint(token, None, Route(sock, None))
    await sock.open(remote=(host, port))
    return endpoint


class UdpHub:
    """A listener's sockets: finds the connection that a datagram belongs to.

    Args:
        buffer_bytes: as of :class:`DatagramSocket`.

    Attributes:
        strangers: datagrams that belonged to none; they are not answered.
    """

    def __init__(self, buffer_bytes: int | None = None) -> None:
        self.strangers = 0
        self._buffer_bytes = buffer_bytes
        self._sockets: list[DatagramSocket] = []
        self._by_token: dict[bytes, UdpEndpoint] = {}
        self._by_route: dict[Route, UdpEndpoint] = {}

    async def open(self, host: str, port: int) -> None:
        """Listen at one more address. Raises OSError when its port is taken."""
        sock = DatagramSocket(self._on_datagram, self._buffer_bytes)
        await sock.open(local=(host, port))
        self._sockets.append(sock)

    @property
    def dropped(self) -> int:
        """Datagrams that the system did not take."""
        return sum(each.dropped for each in self._sockets)

    @property
    def port(self) -> int:
        """The port of the first socket."""
        return self._sockets[0].port

    def add(self, token: bytes) -> UdpEndpoint:
        """The end of a path with this token."""
        endpoint = UdpEndpoint(token, self)
        self._by_token[token] = endpoint
        return endpoint

    def know(self, route: Route, endpoint: UdpEndpoint) -> None:
        """What comes this way is for ``endpoint``."""
        self._by_route[route] = endpoint

    def forget(self, route: Route | None, endpoint: UdpEndpoint) -> None:
        """What comes this way is not for ``endpoint`` any more."""
        if route is not None and self._by_route.get(route) is endpoint:
            del self._by_route[route]

    def remove(self, token: bytes, endpoint: UdpEndpoint) -> None:
        """The path with this token is over."""
        if self._by_token.get(token) is endpoint:
            del self._by_token[token]

    def close(self) -> None:
        """Close the sockets."""
        for sock in self._sockets:
            sock.close()

    def _on_datagram(self, data: bytes, route: Route) -> None:
        if data[:1] == _PROBE:
            endpoint = self._by_token.get(data[1 : 1 + TOKEN_BYTES])
            data = data[1 + TOKEN_BYTES :]
        else:
            endpoint = self._by_route.get(route)
        if endpoint is None:
            self.strangers += 1
        else:
            endpoint.take(data, route)
