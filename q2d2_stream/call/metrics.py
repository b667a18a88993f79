"""A call's numbers for Prometheus: its text format, over a minimal HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from q2d2_stream.call.stats import CallStats
from q2d2_stream.errors import DeviceError

__all__ = ["MetricsServer", "prometheus_text"]

_REQUEST_BYTES = 8192
_REQUEST_S = 5.0
_CONNECTIONS = 8


def prometheus_text(stats: CallStats) -> str:
    """Every number of ``stats`` as a gauge named ``q2d2_`` and its path."""
    lines = []
    for name, value in _numbers("q2d2", stats.to_dict()):
        lines += [f"# TYPE {name} gauge", f"{name} {value}"]
    return "\n".join(lines) + "\n"


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(f"{name}_{key}", inner)
    elif isinstance(value, bool | int | float):
        yield name, float(value)


class MetricsServer:
    """Answers ``GET /metrics`` on this machine only.

    Args:
        port: to listen on; 0 chooses one.
        stats: gives the numbers of the moment.
    """

    def __init__(self, port: int, stats: Callable[[], CallStats]) -> None:
        self._port = port
        self._stats = stats
        self._server: asyncio.Server | None = None
        self._open = 0

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen. Raises DeviceError when the port cannot be used."""
        try:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self._port, limit=_REQUEST_BYTES
            )
        except OSError as error:
            raise DeviceError(
                f"port {self._port} cannot be used for metrics ({error.strerror or error}): "
                "choose another --metrics port"
            ) from error

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= _CONNECTIONS:
                async with asyncio.timeout(_REQUEST_S):
                    request = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answer(request))
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass  # not worth a word: the scraper will come again
        finally:
            self._open -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _answer(self, request: bytes) -> bytes:
        target = request.split(b" ", 2)[1:2]
        if not request.startswith(b"GET ") or target != [b"/metrics"]:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        body = prometheus_text(self._stats()).encode()
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body
