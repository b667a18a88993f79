"""The side that listens: who may connect, and which connection carries the call."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from q2d2_stream.call.connection import Connection
from q2d2_stream.call.connector import Connector
from q2d2_stream.errors import InputError
from q2d2_stream.protocol import (
    MAX_MESSAGE_BYTES,
    Call,
    CallRegistry,
    Closed,
    Endpoint,
    Limits,
    Reason,
    Role,
    Session,
)
from q2d2_stream.protocol.kinds import Kind
from q2d2_stream.sending import WebSocketLink
from q2d2_stream.transport.address import Address, is_loopback_host
from q2d2_stream.transport.base import Transport, Wrap
from q2d2_stream.transport.handshake_queue import HandshakeQueue
from q2d2_stream.transport.limits import ConnectionLimits
from q2d2_stream.transport.udp import UdpHub
from q2d2_stream.transport.websocket import WebSocketTransport
from q2d2_stream.transport.websocket_server import WebSocketServer
from q2d2_stream.web import Site, names_this_machine
from q2d2_stream.web.serving import may_connect, serve_file

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

    from q2d2_stream.transport.limited_connection import LimitedConnection

__all__ = ["CallServer"]

_COSTLY = (bytes([Kind.HELLO]), bytes([Kind.AUTH]))


class CallServer(Connector):
    """Listens on an address and gives out the connections that have proved who they are.

    Args:
        address: where to listen.
        endpoint: what this side brings along.
        ssl_context: for ``wss://``, see :func:`q2d2_stream.transport.tls.server_context`.
        wrap: puts something around every transport, such as a simulated network.
        limits: what strangers may do.
        session_limits: what a session's peer may do.
        auth: False to listen without a secret where other machines can connect.
        notify: called with a sentence when strangers do what a user should know.
        udp_only: audio goes by datagrams or not at all; else by what works. Whether datagrams are
            taken at all, ``endpoint`` says.
        site: the page that browsers get here; None for none. Other sites' pages may not call.
        web_host: the name by which browsers reach the page, where it is not one of this machine's.

    Attributes:
        limits: as given.

    Raises InputError when it would be open to everybody and ``auth`` is not False.
    """

    def __init__(
        self,
        address: Address,
        endpoint: Endpoint,
        *,
        ssl_context: ssl.SSLContext | None = None,
        wrap: Wrap | None = None,
        limits: ConnectionLimits | None = None,
        session_limits: Limits | None = None,
        auth: bool = True,
        notify: Callable[[str], None] | None = None,
        udp_only: bool = False,
        site: Site | None = None,
        web_host: str | None = None,
    ) -> None:
        if endpoint.secret is None and auth and not address.is_loopback:
            raise InputError(
                f"listening on {address} without a secret lets anybody call: give --secret, "
                "or --no-auth if that is meant"
            )
        self._notify = notify or (lambda sentence: None)
        self._address = address
        self._endpoint = endpoint
        self._ssl = ssl_context
        self._wrap = wrap
        self._udp_only = udp_only
        self._site, self._web_host = site, web_host
        self._hub: UdpHub | None = None
        self.limits = limits or ConnectionLimits()
        self._session_limits = session_limits or Limits()
        self._registry = CallRegistry(hold_s=self.limits.hold_s)
        self._handshakes = HandshakeQueue(self.limits.guesses, self._notify)
        self._server = WebSocketServer(
            address,
            self.limits,
            self._serve,
            self._check_request,
            ssl_context=ssl_context,
            notify=self._notify,
            max_size=MAX_MESSAGE_BYTES,
            ping_interval=None,
        )
        # At most one call is on, and a further connection of it: a longer queue has no use.
        self._calls: asyncio.Queue[Connection] = asyncio.Queue(4)

    @property
    def port(self) -> int:
        """The port that it listens on, once started."""
        return self._server.port

    @property
    def strangers(self) -> int:
        """Connections there are now of peers who have not finished the handshake."""
        return self._server.strangers

    @property
    def refused(self) -> int:
        """Connections that were cut off because of a limit."""
        return self._server.refused

    async def start(self) -> None:
        """Listen. Raises DeviceError when the address cannot be used."""
        await self._server.start()
        if self._endpoint.udp:
            await self._open_datagrams()

    async def _open_datagrams(self) -> None:
        """Take datagrams at the same addresses and port; without them where that is not free."""
        hub = UdpHub()
        try:
            for host, port in self._server.addresses:
                await hub.open(host, port)
        except OSError:
            hub.close()
            self._endpoint = replace(self._endpoint, udp=False)
        else:
            self._hub = hub

    async def close(self) -> None:
        """Stop listening and cut off whoever is connected."""
        if self._hub is not None:
            self._hub.close()
        self._handshakes.close()
        await self._server.close()

    async def open(self) -> Connection:
        """The next new call."""
        while True:
            connection = await self._calls.get()
            if not connection.closed.done():
                return connection

    @property
    def hold_s(self) -> float:
        """How long a broken call is kept."""
        return self.limits.hold_s

    async def reopen(self, call: Call) -> Connection | Closed:
        """The next connection, if one comes within the time that the line is held.

        It is of the same call, or of a new one of a caller who has proved the secret.
        """
        seconds = self.limits.hold_s
        try:
            async with asyncio.timeout(seconds):
                connection = await self.open()
        except TimeoutError:
            text = f"the connection broke, and the caller did not come back in {seconds:g} seconds"
            return Closed(Reason.LOST, text, by_peer=False)
        return connection

    def _check_request(
        self, connection: ServerConnection, request: Request
    ) -> Response | Awaitable[Response] | None:
        """Hand out the page, if there is one, and refuse all others.

        A browser says where a page is from, and under which name it reached this listener. Only
        the page that was served here may call here.
        """
        if not self._is_reached_by(request.headers.get("Host", "")):
            return connection.respond(
                HTTPStatus.MISDIRECTED_REQUEST, "this listener does not go by that name\n"
            )
        if not may_connect(request, self._site is not None):
            return connection.respond(HTTPStatus.FORBIDDEN, "web pages may not call here\n")
        is_websocket = request.headers.get("Upgrade", "").lower() == "websocket"
        if self._site is None or is_websocket:
            return None
        return serve_file(self._site, connection, request)

    def _is_reached_by(self, host: str) -> bool:
        """Whether a request's ``Host`` is a name of this listener's.

        A name that somebody made point here is not, unless a certificate vouches for it.
        """
        if self._web_host is not None and host.lower() == self._web_host.lower():
            return True
        if self._address.is_loopback:
            return is_loopback_host(host)
        return self._site is None or self._ssl is not None or names_this_machine(host)

    async def _serve(self, websocket: LimitedConnection) -> None:
        host = str(websocket.remote_address[0])
        transport = WebSocketTransport(websocket)
        waiting = _TurnTransport(transport, self._handshakes, host)
        link = WebSocketLink(Role.SERVER, tls=self._ssl is not None, ipv6=transport.is_ipv6)
        carrier = self._wrap(waiting) if self._wrap is not None else waiting
        session = Session(
            self._endpoint,
            Role.SERVER,
            time.monotonic(),
            registry=self._registry,
            limits=self._session_limits,
            channel=transport.channel_binding(),
        )
        connection = Connection(carrier, session, link)
        connection.established.add_done_callback(lambda done: self._announce(websocket, connection))
        await connection.run()
        if session.has_guessed_wrong:
            self._handshakes.guessed_wrong(host)

    def _announce(self, websocket: LimitedConnection, connection: Connection) -> None:
        if connection.established.cancelled():
            return
        self._server.trust(websocket)
        token = connection.established.result().path_token
        if token and self._hub is not None:
            connection.use_datagrams(
                self._hub.add(token),
                is_ipv6=":" in str(websocket.local_address[0]),
                is_only=self._udp_only,
            )
        try:
            self._calls.put_nowait(connection)
        except asyncio.QueueFull:
            connection.close("the line is busy")


class _TurnTransport(Transport):
    """Holds a stranger's hello and auth back until it is their turn.

    Args:
        inner: the real transport.
        turns: who is next.
        host: the peer's address.
    """

    def __init__(self, inner: Transport, turns: HandshakeQueue, host: str) -> None:
        self._inner = inner
        self._waits = {Kind.HELLO: turns.hello, Kind.AUTH: turns.auth}
        self._host = host

    @property
    def remote(self) -> str:
        """Who is at the other end."""
        return self._inner.remote

    async def recv(self) -> bytes | str:
        """The next message."""
        data = await self._inner.recv()
        # Whatever else comes is refused for next to nothing.
        kind = Kind(data[0]) if isinstance(data, bytes) and data[:1] in _COSTLY else None
        if kind in self._waits:
            await self._waits.pop(kind)(self._host)
        return data

    async def send(self, data: bytes) -> None:
        """Send a message."""
        await self._inner.send(data)

    def unsent_bytes(self) -> int:
        """As the transport within says."""
        return self._inner.unsent_bytes()

    def least_rtt_s(self) -> float | None:
        """As the transport within says."""
        return self._inner.least_rtt_s()

    async def close(self) -> None:
        """Hang up."""
        await self._inner.close()
