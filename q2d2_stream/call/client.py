"""The side that dials."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass

from q2d2_stream.call.connection import Connection
from q2d2_stream.call.connector import Connector
from q2d2_stream.call.opening import run_until_ready
from q2d2_stream.errors import InputError
from q2d2_stream.protocol import (
    DEFAULT_HOLD_S,
    MAX_MESSAGE_BYTES,
    Call,
    Closed,
    Endpoint,
    Reason,
    Role,
    Session,
)
from q2d2_stream.sending import WebSocketLink
from q2d2_stream.transport.address import Address
from q2d2_stream.transport.base import Wrap
from q2d2_stream.transport.proxy import ProxyRoute, proxy_for
from q2d2_stream.transport.tls import untrusted
from q2d2_stream.transport.udp import connect_udp
from q2d2_stream.transport.websocket import CLOSE_S, WebSocketTransport

__all__ = ["CallClient", "ClientOptions"]


@dataclass(frozen=True)
class ClientOptions:
    """How patient a dialer is, in seconds.

    Attributes:
        wait_s: how long to try before the call; 0 tries once.
        return_s: how long to try after a connection broke; as long as the other side keeps the
            call.
        open_s: for TCP, TLS and the websocket's handshake of one try.
        backoff_s, backoff_max_s: pause after the first try and the longest one; each is twice
            the one before, give or take a fifth, so that many callers do not come back at once.
        use_proxy: call through the proxy that the environment asks for
            (:mod:`q2d2_stream.transport.proxy`).
    """

    wait_s: float = 0.0
    return_s: float = DEFAULT_HOLD_S
    open_s: float = 5.0
    backoff_s: float = 0.25
    backoff_max_s: float = 4.0
    use_proxy: bool = True


class CallClient(Connector):
    """Dials a peer, and dials it again when the connection breaks.

    Args:
        address: the peer's.
        endpoint: what this side brings along.
        ssl_context: for ``wss://``, see :func:`q2d2_stream.transport.tls.client_context`.
        wrap: puts something around every transport, such as a simulated network.
        options: patience.
        auth: False to call another machine without a secret.
        udp_only: audio goes by datagrams or not at all; else by what works. Whether datagrams are
            tried at all, ``endpoint`` says.

    Raises InputError for port 0, and when the peer could be anybody and ``auth`` is not False.
    """

    def __init__(
        self,
        address: Address,
        endpoint: Endpoint,
        *,
        ssl_context: ssl.SSLContext | None = None,
        wrap: Wrap | None = None,
        options: ClientOptions | None = None,
        auth: bool = True,
        udp_only: bool = False,
    ) -> None:
        if not address.port:
            raise InputError(f"{address} has port 0, where nobody listens: expected 1 to 65535")
        if endpoint.secret is None and auth and not address.is_loopback:
            raise InputError(
                f"calling {address} without a secret may reach anybody: give the code that the "
                f"other side shows, as in CODE@{address}, or --secret, or --no-auth if you mean it"
            )
        self._address = address
        self._endpoint = endpoint
        self._ssl = ssl_context
        self._wrap = wrap
        self._options = options or ClientOptions()
        self._udp_only = udp_only
        self._tasks: set[asyncio.Task[Closed]] = set()

    @property
    def hold_s(self) -> float:
        """How long it dials again."""
        return self._options.return_s

    async def open(self) -> Connection | Closed:
        """Dial with a new call."""
        return await self._dial(Call(), self._options.wait_s)

    async def reopen(self, call: Call) -> Connection | Closed:
        """Dial again for ``call``."""
        return await self._dial(call, self._options.return_s)

    async def _dial(self, call: Call, patience_s: float) -> Connection | Closed:
        options = self._options
        until = time.monotonic() + patience_s
        pause_s = options.backoff_s
        while True:
            result = await self._try(call)
            if not isinstance(result, Closed) or not result.may_retry:
                return result
            wait_s = pause_s * random.uniform(0.8, 1.2)
            if time.monotonic() + wait_s > until:
                return result
            await asyncio.sleep(wait_s)
            pause_s = min(2 * pause_s, options.backoff_max_s)

    async def _try(self, call: Call) -> Connection | Closed:
        transport = await self._connect()
        if isinstance(transport, Closed):
            return transport
        link = WebSocketLink(Role.CLIENT, tls=self._address.secure, ipv6=transport.is_ipv6)
        carrier = self._wrap(transport) if self._wrap is not None else transport
        session = Session(
            self._endpoint,
            Role.CLIENT,
            time.monotonic(),
            call=call,
            channel=transport.channel_binding(),
        )
        connection = Connection(carrier, session, link)
        closed = await run_until_ready(connection, connection.established, self._tasks)
        if closed is not None:
            return closed
        await self._add_datagrams(connection, transport)
        return connection

    async def _add_datagrams(self, connection: Connection, transport: WebSocketTransport) -> None:
        """Try datagrams to where the websocket goes; a network may let none through."""
        token = connection.established.result().path_token
        where = transport.remote_address
        # A simulated network is around the websocket only.
        if not token or where is None or self._wrap is not None:
            return
        with suppress(OSError):
            endpoint = await connect_udp(*where, token)
            connection.use_datagrams(endpoint, is_ipv6=transport.is_ipv6, is_only=self._udp_only)

    async def _connect(self) -> WebSocketTransport | Closed:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake

        route = proxy_for(self._address) if self._options.use_proxy else None
        try:
            websocket = await connect(
                self._address.uri,
                ssl=self._ssl if self._address.secure else None,
                proxy=route.url if route is not None else None,
                compression=None,
                max_size=MAX_MESSAGE_BYTES,
                open_timeout=self._options.open_s,
                close_timeout=CLOSE_S,
                ping_interval=None,
            )
        except ssl.SSLCertVerificationError as error:
            return Closed(Reason.OTHER, untrusted(self._address, error), by_peer=False)
        except TimeoutError:
            return self._unreachable(f"no answer within {self._options.open_s:g} seconds", route)
        except (ssl.SSLError, ConnectionResetError, EOFError) as error:
            why = str(error) or type(error).__name__
            if self._address.secure and route is None:
                why = "the other side does not speak TLS there"
            return self._unreachable(why, route)
        except (OSError, InvalidHandshake) as error:
            return self._unreachable(str(error) or type(error).__name__, route)
        return WebSocketTransport(websocket)

    def _unreachable(self, why: str, route: ProxyRoute | None) -> Closed:
        if route is not None:
            text = (
                f"{self._address} cannot be reached through the proxy {route} ({why}): is the "
                "proxy right, and the other side listening? --no-proxy calls without it"
            )
        else:
            text = f"{self._address} cannot be reached ({why}): is the other side listening there?"
        return Closed(Reason.LOST, text, by_peer=False)
