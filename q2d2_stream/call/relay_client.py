"""How a member comes by connections to a room: one relay after the other, again and again."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable

from q2d2_stream.call.opening import run_until_ready
from q2d2_stream.call.room_connection import RoomConnection
from q2d2_stream.protocol import MAX_MESSAGE_BYTES, Call, Endpoint, Role
from q2d2_stream.rooms import RoomClosed, RoomKeys, RoomLink, RoomSession
from q2d2_stream.sending import WebSocketLink
from q2d2_stream.transport.base import Wrap
from q2d2_stream.transport.websocket import WebSocketTransport

__all__ = ["RelayClient", "connect_relay"]

_OPEN_S = 5.0
_BACKOFF_S, _BACKOFF_MAX_S = 0.2, 2.0


class RelayClient:
    """Connects to the relays of a link.

    Args:
        link: to the room.
        endpoint: what this side can encode and decode.
        name: how the others shall call this side.
        is_voiced: whether the microphone holds voice now.
        ssl_context: for ``https://`` relays; None for the system's authorities.
        wrap: puts something around every transport, such as a simulated network.
        udp: whether audio may go by UDP, where the relay and the network let it.
        udp_only: it goes by UDP or not at all.
    """

    def __init__(
        self,
        link: RoomLink,
        endpoint: Endpoint,
        name: str,
        is_voiced: Callable[[], bool],
        *,
        ssl_context: ssl.SSLContext | None = None,
        wrap: Wrap | None = None,
        udp: bool = True,
        udp_only: bool = False,
    ) -> None:
        self.keys = RoomKeys(link.secret)
        self._uris = link.websocket_uris()
        self._at = 0
        self._endpoint, self._name, self._is_voiced = endpoint, name, is_voiced
        self._ssl, self._wrap = ssl_context, wrap
        # A simulated network is around the websocket only.
        self._udp, self._udp_only = udp and wrap is None, udp_only
        self._tasks: set[asyncio.Task[RoomClosed]] = set()

    def leave_relay(self) -> None:
        """The relay is about to stop: try the next one first."""
        self._at += 1

    async def open(self, call: Call, patience_s: float) -> RoomConnection | RoomClosed:
        """A connection that is in the room, or why there is none.

        Args:
            call: whose sequence numbers go on.
            patience_s: how long to try; every relay is tried once at least.
        """
        until = time.monotonic() + patience_s
        pause_s, tries = _BACKOFF_S, 0
        while True:
            result = await self._try(call)
            if isinstance(result, RoomConnection) or not result.may_retry:
                return result
            self._at += 1
            tries += 1
            if tries % len(self._uris):
                continue
            wait_s = pause_s * random.uniform(0.8, 1.2)
            if time.monotonic() + wait_s > until:
                return result
            await asyncio.sleep(wait_s)
            pause_s = min(2 * pause_s, _BACKOFF_MAX_S)

    async def _try(self, call: Call) -> RoomConnection | RoomClosed:
        uri = self._uris[self._at % len(self._uris)]
        transport = await connect_relay(uri, self._ssl)
        if isinstance(transport, RoomClosed):
            return transport
        session = RoomSession(
            self.keys, self._endpoint, self._name, time.monotonic(), sequence=call.next_sequence
        )
        connection = RoomConnection(
            self._wrap(transport) if self._wrap is not None else transport,
            session,
            WebSocketLink(Role.CLIENT, tls=uri.startswith("wss:"), ipv6=transport.is_ipv6),
            self._endpoint.frames_per_message,
            self._is_voiced,
        )
        closed = await run_until_ready(connection, connection.admitted, self._tasks)
        if closed is not None:
            return closed
        where = transport.remote_address
        if self._udp and where is not None:
            connection.ask_datagrams(where[0], is_ipv6=transport.is_ipv6, is_only=self._udp_only)
        return connection


async def connect_relay(
    uri: str, ssl_context: ssl.SSLContext | None
) -> WebSocketTransport | RoomClosed:
    """A connection to a relay, or why there is none.

    Args:
        uri: ``wss://host/room``, or ``ws://`` on this machine.
        ssl_context: for ``wss://``; None for the system's authorities.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake

    host = uri.split("/")[2]
    try:
        websocket = await connect(
            uri,
            ssl=ssl_context if uri.startswith("wss:") else None,
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            open_timeout=_OPEN_S,
            close_timeout=1.0,
            ping_interval=None,
        )
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate of {host} is not trusted ({error.verify_message})"
        return RoomClosed(None, text)
    except TimeoutError:
        return RoomClosed(None, f"the relay {host} did not answer within {_OPEN_S:g} seconds")
    except (OSError, EOFError, InvalidHandshake) as error:
        why = str(error) or type(error).__name__
        return RoomClosed(None, f"the relay {host} cannot be reached ({why}): is it running?")
    return WebSocketTransport(websocket)
