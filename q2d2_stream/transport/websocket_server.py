"""A websocket server whose strangers are counted before they cost anything."""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from q2d2_stream.errors import DeviceError
from q2d2_stream.transport.address import Address
from q2d2_stream.transport.limiter import ConnectionLimiter, Place, Progress
from q2d2_stream.transport.limits import ConnectionLimits
from q2d2_stream.transport.listening_socket import BACKLOG, LimitedSocket, listening_sockets
from q2d2_stream.transport.websocket import CLOSE_S

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

    from q2d2_stream.transport.limited_connection import LimitedConnection

__all__ = ["WebSocketServer"]


class WebSocketServer:
    """Listens on every address of a host.

    Args:
        address: where to listen.
        limits: what strangers may do.
        serve: called with every connection that is open, until it is done with it.
        answer: what a request gets instead of a websocket; None from it for a websocket.
        ssl_context: for TLS.
        notify: told in a sentence what goes wrong, each sentence once.
        options: as of ``websockets.asyncio.server.serve``.
    """

    def __init__(
        self,
        address: Address,
        limits: ConnectionLimits,
        serve: Callable[[LimitedConnection], Awaitable[None]],
        answer: Callable[[ServerConnection, Request], Response | Awaitable[Response] | None],
        *,
        ssl_context: ssl.SSLContext | None = None,
        notify: Callable[[str], None] | None = None,
        **options: Any,
    ) -> None:
        self._address, self._limits, self._ssl = address, limits, ssl_context
        self._serve, self._answer, self._options = serve, answer, options
        self._notify = notify or (lambda sentence: None)
        self._said: set[str] = set()
        self._limiter = ConnectionLimiter(limits, time.monotonic())
        self._sockets: list[LimitedSocket] = []
        self._servers: list[Server] = []

    @property
    def port(self) -> int:
        """The port that it listens on, once started."""
        return int(self._sockets[0].getsockname()[1])

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Hosts and ports that it listens on, once started."""
        return [listening.getsockname()[:2] for listening in self._sockets]

    @property
    def strangers(self) -> int:
        """Connections there are now that were not trusted yet."""
        return len(self._limiter)

    @property
    def refused(self) -> int:
        """Connections that were cut off because of a limit."""
        return self._limiter.refused

    async def start(self) -> None:
        """Listen. Raises DeviceError when the address cannot be used."""
        from websockets.asyncio.server import ServerConnection, serve

        from q2d2_stream.transport.limited_connection import LimitedConnection

        silent = logging.getLogger(f"{__name__}.websockets")
        silent.setLevel(logging.CRITICAL)  # strangers must not fill the terminal
        address, limits = self._address, self._limits
        make = functools.partial(LimitedConnection, limits, self._find_place)
        try:
            self._sockets = await asyncio.to_thread(
                listening_sockets, address.host, address.port, self._limiter, self._notify_once
            )
            for listening in self._sockets:
                server = await serve(
                    self._open,
                    sock=listening,
                    backlog=BACKLOG,
                    ssl=self._ssl,
                    create_connection=cast(type[ServerConnection], make),
                    process_request=self._answer,
                    compression=None,
                    open_timeout=None,  # LimitedConnection sees to it
                    close_timeout=CLOSE_S,
                    server_header=None,
                    logger=silent,
                    # asyncio refuses a timeout for a handshake that there will not be
                    ssl_handshake_timeout=limits.open_s if self._ssl is not None else None,
                    **self._options,
                )
                self._servers.append(server)
        except OSError as error:
            raise DeviceError(
                f"{address} cannot be listened on ({error.strerror or error}): "
                "choose another --listen address"
            ) from error

    async def close(self) -> None:
        """Stop listening and cut off whoever is connected."""
        for server in self._servers:
            server.close()
        while self._limiter.drop_one():
            pass
        for server in self._servers:
            await server.wait_closed()

    def trust(self, websocket: LimitedConnection) -> None:
        """The peer is a stranger no longer: it makes room for nobody."""
        websocket.trust()
        if websocket.place is not None:
            self._limiter.leave(websocket.place)

    async def _open(self, websocket: ServerConnection) -> None:
        limited = cast("LimitedConnection", websocket)
        limited.advance(Progress.OPEN)
        await self._serve(limited)

    def _find_place(self, peer: tuple[str, int], drop: Callable[[], None]) -> Place | None:
        for listening in self._sockets:
            if peer in listening.places:
                return listening.places[peer]
        # A loop that does not ask the socket: the place is given now.
        return self._limiter.admit(peer[0], drop, has_spoken=True, now=time.monotonic())

    def _notify_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._notify(sentence)
