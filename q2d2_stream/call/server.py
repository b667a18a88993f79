"""The side that listens: who may connect, and which connection carries the call."""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
import time
from collections import Counter
from typing import TYPE_CHECKING, cast

from q2d2_stream.call.connection import Connection
from q2d2_stream.call.connector import Connector
from q2d2_stream.errors import DeviceError, InputError
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
from q2d2_stream.sending import Link
from q2d2_stream.transport.address import Address
from q2d2_stream.transport.base import Wrap
from q2d2_stream.transport.limits import ConnectionLimits
from q2d2_stream.transport.websocket import WebSocketTransport

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection

    from q2d2_stream.transport.limiter import LimitedConnection

__all__ = ["CallServer"]


class CallServer(Connector):
    """Listens on an address and gives out the connections that have proved who they are.

    Args:
        address: where to listen.
        endpoint: what this side brings along.
        ssl_context: for ``wss://``, see :func:`q2d2_stream.transport.tls.server_context`.
        wrap: puts something around every transport, such as a simulated network.
        limits: what strangers may do.
        session_limits: what a session's peer may do.
        is_open: whether to listen without a secret where others than this machine can connect.

    Attributes:
        limits: as given.
        refused: connections that were cut off because of a limit.

    Raises InputError when it would be open to everybody and ``is_open`` does not ask for that.
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
        is_open: bool = False,
    ) -> None:
        if endpoint.secret is None and not (address.is_loopback or is_open):
            raise InputError(
                f"listening on {address} without a secret lets anybody call: give --secret, "
                "or --open if that is meant"
            )
        self.refused = 0
        self._address = address
        self._endpoint = endpoint
        self._ssl = ssl_context
        self._wrap = wrap
        self.limits = limits or ConnectionLimits()
        self._session_limits = session_limits or Limits()
        self._registry = CallRegistry(hold_s=self.limits.hold_s)
        self._from: Counter[str] = Counter()
        self._server: Server | None = None
        # At most one call is on, and a further connection of it: a longer queue has no use.
        self._calls: asyncio.Queue[Connection] = asyncio.Queue(4)

    @property
    def port(self) -> int:
        """The port that it listens on, once started."""
        assert self._server is not None
        return int(next(iter(self._server.sockets)).getsockname()[1])

    @property
    def connections(self) -> int:
        """Connections there are now, those of strangers included."""
        return self._from.total()

    async def start(self) -> None:
        """Listen. Raises DeviceError when the address cannot be used."""
        from websockets.asyncio.server import ServerConnection, serve

        from q2d2_stream.transport.limiter import LimitedConnection

        silent = logging.getLogger(f"{__name__}.websockets")
        silent.setLevel(logging.CRITICAL)  # strangers must not fill the terminal
        try:
            self._server = await serve(
                self._serve,
                self._address.host,
                self._address.port,
                ssl=self._ssl,
                create_connection=cast(
                    type[ServerConnection], functools.partial(LimitedConnection, self)
                ),
                compression=None,
                max_size=MAX_MESSAGE_BYTES,
                open_timeout=self.limits.open_s,
                close_timeout=1.0,
                ping_interval=None,
                server_header=None,
                logger=silent,
                # asyncio refuses a timeout for a handshake that there will not be
                ssl_handshake_timeout=self.limits.open_s if self._ssl is not None else None,
            )
        except OSError as error:
            raise DeviceError(
                f"{self._address} cannot be listened on ({error.strerror or error}): "
                "choose another --listen address"
            ) from error

    async def close(self) -> None:
        """Stop listening and cut off whoever is connected."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def hold_s(self) -> float:
        """How long a broken call is kept."""
        return self.limits.hold_s

    async def open(self) -> Connection:
        """The next new call."""
        while True:
            connection = await self._calls.get()
            if not connection.closed.done():
                return connection

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

    def admit(self, host: str) -> bool:
        """Count a new TCP connection from ``host``; False when it is one too many."""
        limits = self.limits
        if self._from[host] >= limits.per_address or self.connections >= limits.connections:
            self.refused += 1
            return False
        self._from[host] += 1
        return True

    def forget(self, host: str) -> None:
        """A connection that was admitted has ended."""
        self._from[host] -= 1
        if not self._from[host]:
            del self._from[host]

    async def _serve(self, websocket: ServerConnection) -> None:
        transport = WebSocketTransport(websocket)
        link = Link(Role.SERVER, tls=self._ssl is not None, ipv6=transport.is_ipv6)
        carrier = self._wrap(transport) if self._wrap is not None else transport
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

    def _announce(self, websocket: ServerConnection, connection: Connection) -> None:
        if connection.established.cancelled():
            return
        cast("LimitedConnection", websocket).trust()
        try:
            self._calls.put_nowait(connection)
        except asyncio.QueueFull:
            self.refused += 1
            connection.close("the line is busy")
