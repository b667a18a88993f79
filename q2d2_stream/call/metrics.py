"""A call's numbers for Prometheus, served on this machine only."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from q2d2_stream.call.stats import CallState, CallStats
from q2d2_stream.errors import DeviceError
from q2d2_stream.transport.address import is_loopback_host

__all__ = ["MetricsServer", "prometheus_text"]

_REQUEST_BYTES = 8192
_REQUEST_S = 5.0
_CONNECTIONS = 8
# Whole numbers that stand for the moment; all others count what has happened since the beginning.
_MOMENTARY = ("unsent_frames", "buffered_frames", "frames_per_message", "steps_down")
_ATTRIBUTES = re.compile(r"^    ([a-z0-9_]+(?:, [a-z0-9_]+)*): (.+(?:\n        .+)*)", re.MULTILINE)


class _CallCollector(Collector):
    """Every number of a call's statistics, named by its path; the texts are the classes'."""

    def __init__(self, stats: CallStats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client."""
        states = {state.value: state is self._stats.state for state in CallState}
        yield StateSetMetricFamily("q2d2_call", "how the call stands", value=states)
        yield from _metrics("q2d2", self._stats)


def _metrics(prefix: str, stats: Any) -> Iterator[Metric]:
    kinds = typing.get_type_hints(type(stats))
    texts = _documentation(type(stats))
    for field in dataclasses.fields(stats):
        value, path = getattr(stats, field.name), f"{prefix}_{field.name}"
        if dataclasses.is_dataclass(value):
            yield from _metrics(path, value)
        elif isinstance(value, bool | int | float):
            text = texts.get(field.name, field.name.replace("_", " "))
            counts = kinds[field.name] is int and field.name not in _MOMENTARY
            family = CounterMetricFamily if counts else GaugeMetricFamily
            yield family(path, text, value=float(value))


def _documentation(cls: type) -> dict[str, str]:
    """What a class's docstring says of its attributes."""
    return {
        name: " ".join(text.split())
        for names, text in _ATTRIBUTES.findall(inspect.getdoc(cls) or "")
        for name in names.split(", ")
    }


def prometheus_text(stats: CallStats) -> str:
    """The numbers of ``stats`` in Prometheus's text format, with types and explanations."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_CallCollector(stats))
    return generate_latest(registry).decode()


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
        line, *headers = request.decode("latin-1").split("\r\n")
        hosts = [h.partition(":")[2].strip() for h in headers if h.lower().startswith("host:")]
        # A web page may have its own name point to this machine; what it asks for names it.
        if hosts and not is_loopback_host(hosts[0]):
            return _response("421 Misdirected Request")
        if not line.startswith("GET ") or line.split(" ")[1:2] != ["/metrics"]:
            return _response("404 Not Found")
        return _response("200 OK", prometheus_text(self._stats()).encode())


def _response(status: str, body: bytes = b"") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE_LATEST}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
