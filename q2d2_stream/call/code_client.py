"""From a short code that was read out to the link of a room."""

from __future__ import annotations

import asyncio
import ssl

from q2d2_stream.call.relay_client import connect_relay
from q2d2_stream.errors import CallError
from q2d2_stream.rooms import RoomClosed, RoomCode, RoomLink
from q2d2_stream.rooms.code_joiner import CodeJoiner

__all__ = ["link_of_code"]

_LIMIT_S = 20.0


async def link_of_code(code: RoomCode, ssl_context: ssl.SSLContext | None = None) -> RoomLink:
    """Ask the member who shows the code, by way of its relay.

    Args:
        code: that was read out.
        ssl_context: for ``https://`` relays; None for the system's authorities.

    Raises CallError where the relay cannot be reached, or the code leads nowhere.
    """
    (uri,) = RoomLink.new(code.relay).websocket_uris()
    transport = await connect_relay(uri, ssl_context)
    if isinstance(transport, RoomClosed):
        raise CallError(transport.text, "lost")
    try:
        joiner = CodeJoiner(code)
        async with asyncio.timeout(_LIMIT_S):
            while joiner.link is None:
                data = await transport.recv()
                for answer in joiner.receive_data(data if isinstance(data, bytes) else b""):
                    await transport.send(answer)
        return joiner.link
    except TimeoutError as error:
        text = "nobody answered to the code: is the one who shows it still in the room?"
        raise CallError(text, "timeout") from error
    except ConnectionError as error:
        raise CallError("the connection to the relay broke", "lost") from error
    finally:
        await transport.close()
