"""Calls for programs: pcm in, pcm out, and everything else as it is in ``q2d2 call``.

    async with q2d2_stream.connect("host:9000", secret=secret) as call:
        await call.send(pcm)
        async for pcm in call:
            ...

    async with q2d2_stream.serve("0.0.0.0:9000", secret=secret) as calls:
        async for call in calls:
            ...

As on a telephone there is one call at a time, and it lasts until either side hangs up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from q2d2_stream.audio import Sink, Source
from q2d2_stream.call.client import CallClient, ClientOptions
from q2d2_stream.call.connector import Connector
from q2d2_stream.call.live_call import LiveCall
from q2d2_stream.call.options import CallOptions
from q2d2_stream.call.server import CallServer
from q2d2_stream.call.session import CallSession
from q2d2_stream.config import Rate
from q2d2_stream.engine import Codec, load_codec
from q2d2_stream.errors import InputError
from q2d2_stream.protocol import Endpoint, Secret
from q2d2_stream.transport.address import parse_address, split_code
from q2d2_stream.transport.tls import client_context, server_context

__all__ = [
    "IncomingCalls",
    "Transport",
    "check_transport",
    "connect",
    "loaded",
    "options_of",
    "serve",
]

Notify = Callable[[str], None]
Transport = Literal["auto", "websocket", "udp"]


@dataclass(frozen=True)
class _Settings:
    """What a call is made of, the same for every call of a server."""

    codecs: tuple[Codec, ...]
    options: CallOptions
    notify: Notify | None
    on_text: Notify | None

    def call(self, connector: Connector) -> LiveCall:
        """One with the peer that ``connector`` brings."""

        def make(source: Source, sink: Sink) -> CallSession:
            return CallSession(
                self.codecs,
                connector,
                source,
                sink,
                self.options,
                notify=self.notify,
                on_note=self.on_text,
            )

        return LiveCall(make)


class IncomingCalls:
    """The calls of a server, one after the other. Iterate over it, or use :meth:`accept`.

    Attributes:
        port: that it listens on.
    """

    def __init__(self, server: CallServer, settings: _Settings) -> None:
        self._server, self._settings = server, settings
        self._current: LiveCall | None = None
        self.port = server.port

    async def accept(self) -> LiveCall:
        """Wait for the next call. The one before is finished first: it says what was sent to it and
        hangs up, if it is still on."""
        await self._end_current()
        self._current = call = self._settings.call(self._server)
        await call.wait_until_on()
        return call

    def __aiter__(self) -> AsyncIterator[LiveCall]:
        return self

    async def __anext__(self) -> LiveCall:
        return await self.accept()

    async def _end_current(self, *, at_once: bool = False) -> None:
        call, self._current = self._current, None
        if call is None:
            return
        if at_once or not call.was_established:
            await call.abandon()
        else:
            await call.finish()


@asynccontextmanager
async def connect(
    address: str,
    *,
    codec: Codec | Sequence[Codec] | None = None,
    secret: str | None = None,
    bitrate: Rate | str | float | None = None,
    frames_per_message: int = 1,
    transport: Transport = "auto",
    dtx: bool = False,
    ca: Path | str | None = None,
    wait_s: float = 0.0,
    auth: bool = True,
    notify: Notify | None = None,
    on_text: Notify | None = None,
) -> AsyncIterator[LiveCall]:
    """Call a peer and hold the call within the ``async with`` block.

    At the end of the block the rest of what was sent is said, then this side hangs up; an exception
    hangs up at once.

    Args:
        address: ``host:port``, or ``wss://host:port`` for TLS; ``code@host:port`` with the code
            that the other side shows.
        codec: from :func:`q2d2_stream.load_codec`; None loads the shipped one. Of several the first
            encodes, and each decodes for a peer that uses it.
        secret: that both sides know; None for a peer that asks for none.
        bitrate: name of a rate or kilobits per second; None for about 3 kbps.
        frames_per_message: frames of 13.3 ms in a message, the fewest that are used.
        transport: what carries the audio: "auto" (UDP while it gets through and else the
            websocket), "websocket" or "udp".
        dtx: leave silence unsent.
        ca: PEM file with the authority to trust for ``wss://``; None for the system's.
        wait_s: how long to keep calling where nobody answers or the line is busy.
        auth: False to call another machine without a secret, if you mean it.
        notify: called with a sentence when something happens that a person should know.
        on_text: called with every line of text from the peer; None: ``notify`` is.

    Raises:
        CallError: nobody answered, the line is busy, or the peer refused.
        InputError: an address, a rate or a secret that is no good.
        ModelError: model files that are missing or damaged.
    """
    code, where = split_code(address)
    peer = parse_address(where)
    codecs = await loaded(codec)
    client = CallClient(
        peer,
        _endpoint(codecs, secret if code is None else code, frames_per_message, dtx, transport),
        ssl_context=client_context(ca) if peer.secure else None,
        options=ClientOptions(wait_s=wait_s),
        auth=auth,
        udp_only=transport == "udp",
    )
    options = options_of(codecs, bitrate, dtx)
    call = _Settings(codecs, options, notify, on_text).call(client)
    try:
        await call.wait_until_on()
        yield call
    except BaseException:
        await call.abandon()
        raise
    await call.finish()


@asynccontextmanager
async def serve(
    address: str,
    *,
    codec: Codec | Sequence[Codec] | None = None,
    secret: str | None = None,
    auth: bool = True,
    bitrate: Rate | str | float | None = None,
    frames_per_message: int = 1,
    transport: Transport = "auto",
    dtx: bool = False,
    tls_cert: Path | str | None = None,
    tls_key: Path | str | None = None,
    notify: Notify | None = None,
    on_text: Notify | None = None,
) -> AsyncIterator[IncomingCalls]:
    """Listen for calls within the ``async with`` block.

    Args:
        address: ``host:port`` to listen on; port 0 takes a free one, see
            :attr:`IncomingCalls.port`.
        auth: False to let other machines call without a secret, if you mean it.
        tls_cert, tls_key: PEM files, for ``wss://``.
        codec, secret, bitrate, frames_per_message, transport, dtx: as of :func:`connect`.
        notify, on_text: likewise.

    Raises:
        DeviceError: the address cannot be listened on.
        InputError: an address, a rate or a secret that is no good, or no secret where other
            machines can call.
        ModelError: model files that are missing or damaged.
    """
    codecs = await loaded(codec)
    server = CallServer(
        parse_address(address),
        _endpoint(codecs, secret, frames_per_message, dtx, transport),
        ssl_context=server_context(tls_cert, tls_key) if tls_cert is not None else None,
        auth=auth,
        notify=notify,
        udp_only=transport == "udp",
    )
    options = options_of(codecs, bitrate, dtx)
    await server.start()
    try:
        calls = IncomingCalls(server, _Settings(codecs, options, notify, on_text))
        try:
            yield calls
        except BaseException:
            await calls._end_current(at_once=True)
            raise
        await calls._end_current()
    finally:
        await server.close()


async def loaded(codec: Codec | Sequence[Codec] | None) -> tuple[Codec, ...]:
    """The codecs of a call; None stands for the shipped one. Raises ModelError."""
    if codec is None:
        codec = await asyncio.to_thread(load_codec)
    return (codec,) if isinstance(codec, Codec) else tuple(codec)


def options_of(
    codecs: Sequence[Codec], bitrate: Rate | str | float | None, dtx: bool
) -> CallOptions:
    """The wishes of a program, which hangs up when it has said all. Raises InputError."""
    rate = codecs[0].config.find_rate(bitrate).index
    return CallOptions(rate=rate, dtx=dtx, hangup_at_end=True)


def check_transport(transport: str) -> None:
    """Raise InputError for what carries no audio."""
    if transport not in get_args(Transport):
        raise InputError(f"transport is {transport!r}, expected one of {get_args(Transport)}")


def _endpoint(
    codecs: Sequence[Codec],
    secret: str | None,
    frames_per_message: int,
    dtx: bool,
    transport: Transport,
) -> Endpoint:
    check_transport(transport)
    return Endpoint.of(
        codecs,
        frames_per_message=frames_per_message,
        dtx=dtx,
        udp=transport != "websocket",
        secret=Secret(secret) if secret is not None else None,
    )
