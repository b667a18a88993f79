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
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from q2d2_stream.audio import Pcm
from q2d2_stream.audio.program import ProgramSink, ProgramSource
from q2d2_stream.call.client import CallClient, ClientOptions
from q2d2_stream.call.connector import Connector
from q2d2_stream.call.options import CallOptions
from q2d2_stream.call.server import CallServer
from q2d2_stream.call.session import CallSession
from q2d2_stream.call.stats import CallStats
from q2d2_stream.config import Rate
from q2d2_stream.engine import Codec, load_codec
from q2d2_stream.errors import CallError, InputError
from q2d2_stream.protocol import Closed, Endpoint, Secret
from q2d2_stream.transport.address import parse_address, split_code
from q2d2_stream.transport.tls import client_context, server_context

__all__ = ["IncomingCalls", "LiveCall", "connect", "serve"]

Notify = Callable[[str], None]


@dataclass(frozen=True)
class _Settings:
    """What a call is made of, the same for every call of a server."""

    codec: Codec
    options: CallOptions
    notify: Notify | None
    on_text: Notify | None


class LiveCall:
    """A call that is on. Iterate over it for what the other side says; the iteration ends with the
    call.

    What is heard comes in real time, in pieces of about 320 samples, with silence and concealment
    where nothing arrives. The newest five seconds are kept for a program that is late.
    """

    def __init__(self, connector: Connector, settings: _Settings) -> None:
        self._source, self._sink = ProgramSource(), ProgramSink()
        self._session = CallSession(
            settings.codec,
            connector,
            self._source,
            self._sink,
            settings.options,
            notify=settings.notify,
            on_note=settings.on_text,
        )
        self._task = asyncio.create_task(self._session.run())

    async def _wait_until_on(self) -> None:
        """Raises CallError where there will be no call, and what :meth:`CallSession.run` does."""
        established = asyncio.create_task(self._session.established.wait())
        try:
            await asyncio.wait((established, self._task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            established.cancel()
        if not self._session.was_established:
            raise _error(await self._task)

    async def _finish(self) -> None:
        """Say what was sent, hang up, and wait for the end."""
        self._source.finish()
        await self._task

    async def _abandon(self) -> None:
        """Hang up at once."""
        self._session.hang_up()
        with suppress(Exception):  # there is one already
            await self._task

    async def _end(self) -> Closed:
        """Wait for the end; whoever waits may be cancelled without ending it."""
        return await asyncio.shield(self._task)

    async def send(self, pcm: Pcm) -> None:
        """Say ``pcm``: float32 of shape ``(n,)``, any n, 24 kHz mono, -1 to 1.

        It is said in real time; this returns when less than a second of it waits. While nothing is
        sent the other side hears silence.

        Raises:
            CallError: the call is over.
            InputError: pcm of another type or shape, or samples that are not finite.
        """
        if not isinstance(pcm, np.ndarray) or pcm.dtype != np.float32 or pcm.ndim != 1:
            kind = f"{pcm.dtype} of shape {pcm.shape}" if isinstance(pcm, np.ndarray) else type(pcm)
            raise InputError(f"pcm is {kind}, expected a float32 array of shape (n,)")
        if not np.isfinite(pcm).all():
            raise InputError("pcm holds NaN or infinite samples, expected finite ones")
        if not await self._source.put(pcm):
            raise _error(await self._end())

    async def drain(self) -> None:
        """Return when all that was sent has been said, or the call is over."""
        await self._source.drain()

    def __aiter__(self) -> AsyncIterator[Pcm]:
        return self

    async def __anext__(self) -> Pcm:
        """The next piece of what the other side says, float32 of shape ``(n,)``."""
        pcm = await self._sink.get()
        if pcm is None:
            await self._end()
            raise StopAsyncIteration
        return pcm

    @property
    def closed(self) -> Closed | None:
        """Why the call is over; None while it is on."""
        if not self._task.done() or self._task.cancelled() or self._task.exception() is not None:
            return None
        return self._task.result()

    @property
    def muted(self) -> bool:
        """Whether this side is muted."""
        return self._session.muted

    def mute(self, on: bool = True) -> None:
        """Let the other side hear nothing, or again what is sent; it is told."""
        self._session.set_mute(on)

    def text(self, note: str) -> bool:
        """Send a line of at most 1000 bytes; False where there is nobody to read it."""
        return self._session.send_text(note)

    def hang_up(self) -> None:
        """End the call at once; what waits to be said is lost."""
        self._session.hang_up()

    def stats(self) -> CallStats:
        """Bit rates, losses, delays and levels, as they are now."""
        return self._session.stats()


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
        self._current = call = LiveCall(self._server, self._settings)
        await call._wait_until_on()
        return call

    def __aiter__(self) -> AsyncIterator[LiveCall]:
        return self

    async def __anext__(self) -> LiveCall:
        return await self.accept()

    async def _end_current(self, *, at_once: bool = False) -> None:
        call, self._current = self._current, None
        if call is None:
            return
        if at_once or not call._session.was_established:
            await call._abandon()
        else:
            await call._finish()


@asynccontextmanager
async def connect(
    address: str,
    *,
    codec: Codec | None = None,
    secret: str | None = None,
    bitrate: Rate | str | float | None = None,
    frames_per_message: int = 3,
    dtx: bool = False,
    denoise: bool = False,
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
        codec: from :func:`q2d2_stream.load_codec`; None loads the shipped one.
        secret: that both sides know; None for a peer that asks for none.
        bitrate: name of a rate or kilobits per second; None for about 3 kbps.
        frames_per_message: frames of 13.3 ms in a message, the fewest that are used.
        dtx: leave silence unsent.
        denoise: send the speech without the noise around it.
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
    codec = await _loaded(codec)
    client = CallClient(
        peer,
        _endpoint(codec, secret if code is None else code, frames_per_message, dtx),
        ssl_context=client_context(ca) if peer.secure else None,
        options=ClientOptions(wait_s=wait_s),
        auth=auth,
    )
    options = _options(codec, bitrate, dtx, denoise)
    call = LiveCall(client, _Settings(codec, options, notify, on_text))
    try:
        await call._wait_until_on()
        yield call
    except BaseException:
        await call._abandon()
        raise
    await call._finish()


@asynccontextmanager
async def serve(
    address: str,
    *,
    codec: Codec | None = None,
    secret: str | None = None,
    auth: bool = True,
    bitrate: Rate | str | float | None = None,
    frames_per_message: int = 3,
    dtx: bool = False,
    denoise: bool = False,
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
        codec, secret, bitrate, frames_per_message, dtx, denoise: as of :func:`connect`.
        notify, on_text: likewise.

    Raises:
        DeviceError: the address cannot be listened on.
        InputError: an address, a rate or a secret that is no good, or no secret where other
            machines can call.
        ModelError: model files that are missing or damaged.
    """
    codec = await _loaded(codec)
    server = CallServer(
        parse_address(address),
        _endpoint(codec, secret, frames_per_message, dtx),
        ssl_context=server_context(tls_cert, tls_key) if tls_cert is not None else None,
        auth=auth,
        notify=notify,
    )
    options = _options(codec, bitrate, dtx, denoise)
    await server.start()
    try:
        calls = IncomingCalls(server, _Settings(codec, options, notify, on_text))
        try:
            yield calls
        except BaseException:
            await calls._end_current(at_once=True)
            raise
        await calls._end_current()
    finally:
        await server.close()


async def _loaded(codec: Codec | None) -> Codec:
    return codec if codec is not None else await asyncio.to_thread(load_codec)


def _endpoint(codec: Codec, secret: str | None, frames_per_message: int, dtx: bool) -> Endpoint:
    return Endpoint.of(
        codec,
        frames_per_message=frames_per_message,
        dtx=dtx,
        secret=Secret(secret) if secret is not None else None,
    )


def _options(
    codec: Codec, bitrate: Rate | str | float | None, dtx: bool, denoise: bool
) -> CallOptions:
    rate = codec.config.find_rate(bitrate).index
    return CallOptions(rate=rate, denoise=denoise, dtx=dtx, hangup_at_end=True)


def _error(closed: Closed) -> CallError:
    return CallError(closed.text, closed.reason.name.lower())
