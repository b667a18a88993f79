"""Whether a peer can be reached, and how long that takes."""

from __future__ import annotations

import asyncio
import socket
import time

from q2d2_stream.doctor.finding import Finding, Verdict
from q2d2_stream.errors import InputError, Q2D2Error
from q2d2_stream.transport.address import parse_address
from q2d2_stream.transport.proxy import proxy_for
from q2d2_stream.transport.tls import client_context

__all__ = ["check_peer"]

_OPEN_S = 5.0
_SLOW_MS = 400.0  # a round trip beyond this makes people talk into each other


def check_peer(peer: str, ca: str | None = None) -> list[Finding]:
    """Open a TCP connection to ``peer`` and a websocket over it, then hang up.

    Args:
        peer: as ``q2d2-call --peer`` takes it.
        ca: PEM file with the authority to trust, for ``wss://``.
    """
    try:
        return asyncio.run(_check(peer, ca))
    except Q2D2Error as error:
        return [Finding("peer", Verdict.RED, str(error))]


async def _check(peer: str, ca: str | None) -> list[Finding]:
    from websockets.asyncio.client import connect
    from websockets.exceptions import WebSocketException

    address = parse_address(peer)
    if not address.port:
        raise InputError(f"{address} has port 0, where nobody listens: expected 1 to 65535")
    context = client_context(ca) if address.secure else None
    if (route := proxy_for(address)) is not None:
        advice = "the time of a way through a proxy is not measured; --no-proxy calls without it"
        return [Finding("peer", Verdict.YELLOW, f"{address} is called through {route}", advice)]
    start = time.monotonic()
    try:
        async with asyncio.timeout(_OPEN_S):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except socket.gaierror as error:
        text = f"{address.host} has no address ({error.strerror})"
        return [Finding("peer", Verdict.RED, text, "check the name, or use the number instead")]
    except TimeoutError:
        text = f"{address} does not answer within {_OPEN_S:g} seconds"
        return [Finding("peer", Verdict.RED, text, "is there a firewall or a router between?")]
    except OSError as error:
        text = f"{address} refuses the connection ({error.strerror or error})"
        return [Finding("peer", Verdict.RED, text, "is q2d2-call --listen running there?")]
    tcp_ms = 1000 * (time.monotonic() - start)
    writer.close()

    start = time.monotonic()
    facts = {"tcp_ms": tcp_ms}
    try:
        async with connect(
            address.uri, ssl=context, proxy=None, compression=None, open_timeout=_OPEN_S
        ):
            websocket_ms = 1000 * (time.monotonic() - start)
    except (OSError, EOFError, WebSocketException) as error:
        text = f"{address} is open, and is no q2d2-stream ({error or type(error).__name__})"
        advice = "check the port, and ws:// against wss://"
        return [Finding("peer", Verdict.RED, text, advice, facts)]
    facts["websocket_ms"] = websocket_ms
    text = f"{address}: TCP in {tcp_ms:.0f} ms, websocket in {websocket_ms:.0f} ms"
    if tcp_ms > _SLOW_MS:
        advice = "the way there is long: expect a noticeable delay in talk"
        return [Finding("peer", Verdict.YELLOW, text, advice, facts)]
    return [Finding("peer", Verdict.GREEN, text, "", facts)]
