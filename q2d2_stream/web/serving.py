"""Answers of a site over a connection that websockets has accepted."""

from __future__ import annotations

import asyncio
import email.utils
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from q2d2_stream.web.answer import Site
from q2d2_stream.web.origin import is_same_origin

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

    from q2d2_stream.transport.limited_connection import LimitedConnection

__all__ = ["may_connect", "serve_file"]

_PIECE_BYTES = 65_536


def may_connect(request: Request, has_page: bool) -> bool:
    """Whether who asks for a websocket is no web page, or one that was served here."""
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    return has_page and is_same_origin(origin, request.headers.get("Host", ""))


async def serve_file(site: Site, connection: ServerConnection, request: Request) -> Response:
    """Answer a request for a file; for ``process_request`` of websockets.

    Large bodies go out in pieces, each as the browser takes it.
    """
    from websockets.datastructures import Headers
    from websockets.http11 import Response

    method = getattr(request, "method", "GET")  # websockets 15 refuses all others itself
    answer = site.answer(method, request.path, _headers(request))
    body = await asyncio.to_thread(answer.load) if answer.load is not None else b""
    length = len(body) if isinstance(body, bytes) else body.stat().st_size
    headers = Headers(answer.headers)
    headers["Date"] = email.utils.formatdate(usegmt=True)
    headers["Connection"] = "close"
    if answer.load is not None:
        headers["Content-Length"] = str(length)
    response = Response(answer.status.value, answer.status.phrase, headers)
    if method == "HEAD" or not length:
        return response
    return await cast("LimitedConnection", connection).answer(response, _pieces(body))


def _headers(request: Request) -> dict[str, str]:
    """Those that count, in one spelling; a header that comes twice is a list."""
    return {
        name: ",".join(request.headers.get_all(name))
        for name in ("Accept-Encoding", "If-None-Match")
    }


async def _pieces(body: bytes | Path) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        for at in range(0, len(body), _PIECE_BYTES):
            yield body[at : at + _PIECE_BYTES]
        return
    with body.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
            yield piece
