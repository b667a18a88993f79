"""Calls over real sockets for the tests: two parties, and a TCP proxy that stalls, cuts and limits.

Nothing here asserts how fast the machine is: it may be busy with other work.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from q2d2_stream.audio import NullSink, SilenceSource, Sink, Source
from q2d2_stream.call import (
    CallClient,
    CallOptions,
    CallServer,
    CallSession,
    ClientOptions,
    Connector,
    parse_address,
)
from q2d2_stream.engine import Codec, load_codec
from q2d2_stream.errors import ModelError
from q2d2_stream.files.file_sink import FileSink
from q2d2_stream.files.file_source import FileSource
from q2d2_stream.playout import PlayoutOptions
from q2d2_stream.protocol import Endpoint, Secret
from tests.labs.paths import SPEECH
from tests.labs.virtual_clock import run

__all__ = [
    "EXACT",
    "SECRET",
    "SPEECH",
    "TcpProxy",
    "codec",
    "dial",
    "endpoint",
    "free_port",
    "listen",
    "make_session",
    "run",
    "run_in_real_time",
    "speech_file",
    "start_command",
    "until",
]

SECRET = "correct horse battery staple"
# Nothing but a late or lost frame can change a sample; 1.5 s cover a machine that is very busy.
EXACT = PlayoutOptions(
    minimum_delay_ms=1500, maximum_delay_ms=1500, start_delay_ms=1500, stretch=False, skip_ms=1500
)


@functools.cache
def codec() -> Codec:
    """The shipped codec; skips the test where there are no weights."""
    try:
        return load_codec()
    except ModelError as error:
        pytest.skip(f"there are no model weights here: {error}")


def endpoint(secret: str | None = None, **fields: Any) -> Endpoint:
    """The shipped codec's end of a call."""
    known = Secret(secret) if secret is not None else None
    return Endpoint.of(codec(), secret=known, **fields)


def speech_file(path: Path, seconds: float, name: str = "kathleen_en_0") -> NDArray[np.float32]:
    """Write a bundled clip, repeated to ``seconds``, and return its samples."""
    pcm, rate = soundfile.read(SPEECH / f"{name}.flac", dtype="float32")
    assert rate == 24_000
    pcm = np.resize(pcm, round(seconds * rate))
    soundfile.write(path, pcm, rate, subtype="PCM_16")
    return np.asarray(soundfile.read(path, dtype="float32")[0])


def run_in_real_time(coroutine: Coroutine[Any, Any, None], limit_s: float = 240.0) -> None:
    """Run a test's coroutine, for ``limit_s`` seconds at most.

    For tests with other processes, threads or sound cards; all others run on a virtual clock.
    """
    asyncio.run(asyncio.wait_for(coroutine, limit_s))


async def until(condition: Callable[[], object], what: str, limit_s: float = 120.0) -> None:
    """Wait until ``condition()`` holds."""
    try:
        async with asyncio.timeout(limit_s):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"{what} did not happen within {limit_s:g} s")


@asynccontextmanager
async def listen(
    secret: str | None = None, own: Endpoint | None = None, **options: Any
) -> AsyncIterator[CallServer]:
    """A listener on a free port of this machine."""
    listener = CallServer(parse_address("127.0.0.1:0"), own or endpoint(secret), **options)
    await listener.start()
    try:
        yield listener
    finally:
        await listener.close()


def dial(port: int, secret: str | None = None, **options: Any) -> CallClient:
    """A dialer of that port; extra options as :class:`CallClient`, patience as ``wait_s``."""
    patience = ClientOptions(wait_s=options.pop("wait_s", 0.0))
    own = options.pop("own", None) or endpoint(secret)
    uri = options.pop("uri", f"127.0.0.1:{port}")
    return CallClient(parse_address(uri), own, options=patience, **options)


def make_session(
    line: Connector,
    source: Path | Source | None = None,
    sink: Path | Sink | None = None,
    notes: list[str] | None = None,
    **options: Any,
) -> CallSession:
    """One side of a call; without files it says nothing and hears nothing."""
    if source is None or isinstance(source, Path):
        source = SilenceSource() if source is None else FileSource(source)
    if sink is None or isinstance(sink, Path):
        sink = NullSink() if sink is None else FileSink(sink)
    notify = notes.append if notes is not None else None
    return CallSession(codec(), line, source, sink, CallOptions(**options), notify=notify)


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_command(name: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start ``q2d2 call`` or ``q2d2 loopback`` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "q2d2_stream", name, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


class TcpProxy:
    """Stands between two ends of a TCP connection and makes trouble.

    Args:
        port: of the real listener on this machine.
        rate_bps: bits per second that pass in each direction, headers not counted; None for all.
        header_bytes: counted for every piece, standing for the headers that a proxy cannot see.
    """

    def __init__(self, port: int, rate_bps: float | None = None, header_bytes: int = 0) -> None:
        self._to = port
        self._rate_bps = rate_bps
        self._header_bytes = header_bytes
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.accepted = 0

    async def __aenter__(self) -> TcpProxy:
        # Small buffers: what waits in them is hidden from the sender.
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=512)
        for listening in self._server.sockets:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """Where to connect instead of the listener."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def stall(self, seconds: float) -> None:
        """Let nothing pass for a while; then everything."""
        self._flowing.clear()
        await asyncio.sleep(seconds)
        self._flowing.set()

    def cut(self) -> None:
        """Break every connection, as a router does that forgets them."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._to, limit=512)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there}
        try:
            await asyncio.gather(self._pump(reader, there), self._pump(there_reader, writer))
        except OSError:
            pass
        finally:
            for end in (writer, there):
                end.transport.abort()
                self._writers.discard(end)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        free_at = loop.time()
        while data := await reader.read(256):
            await self._flowing.wait()
            if self._rate_bps is not None:
                bits = 8 * (len(data) + self._header_bytes)
                free_at = max(free_at, loop.time()) + bits / self._rate_bps
                await asyncio.sleep(free_at - loop.time())
            writer.write(data)
            await writer.drain()
        writer.write_eof()
