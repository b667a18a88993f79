"""A call in the hands of a program: pcm in, pcm out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import numpy as np

from q2d2_stream.audio import Pcm, Sink, Source
from q2d2_stream.audio.program import ProgramSink, ProgramSource
from q2d2_stream.call.room_call import RoomCall
from q2d2_stream.call.session import CallSession
from q2d2_stream.call.stats import CallStats
from q2d2_stream.errors import CallError, InputError
from q2d2_stream.protocol import Closed

__all__ = ["LiveCall"]


class LiveCall:
    """A call that is on. Iterate over it for what the other side says; the iteration ends with the
    call.

    What is heard comes in real time, in pieces of about 320 samples, with silence and concealment
    where nothing arrives. The newest five seconds are kept for a program that is late.
    """

    def __init__(self, make: Callable[[Source, Sink], CallSession | RoomCall]) -> None:
        self._source, self._sink = ProgramSource(), ProgramSink()
        self._session = make(self._source, self._sink)
        self._task = asyncio.create_task(self._session.run())

    @property
    def was_established(self) -> bool:
        """Whether it has come about."""
        return self._session.was_established

    async def wait_until_on(self) -> None:
        """Raises CallError where there will be no call, and what :meth:`CallSession.run` does."""
        established = asyncio.create_task(self._session.established.wait())
        try:
            await asyncio.wait((established, self._task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            established.cancel()
        if not self._session.was_established:
            raise _error(await self._task)

    async def finish(self) -> None:
        """Say what was sent, hang up, and wait for the end."""
        self._source.finish()
        await self._task

    async def abandon(self) -> None:
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


def _error(closed: Closed) -> CallError:
    return CallError(closed.text, closed.reason.name.lower())
