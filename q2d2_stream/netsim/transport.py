"""A transport behind a simulated network: ``--simulate`` on a real call."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace

from q2d2_stream.netsim import LinkSpec, SimulatedLink
from q2d2_stream.protocol.sealing import Stream, is_sealed
from q2d2_stream.rooms import messages as room
from q2d2_stream.transport.base import Transport, Wrap

__all__ = ["SimulatedTransport", "simulated"]


class SimulatedTransport(Transport):
    """What comes out of ``inner`` is delayed, and its audio lost, as ``spec`` says.

    Only the incoming direction is simulated: each side hears the network that it asked for. The
    handshake, that of a call or of a room, passes at once; pings, reports and the bye are delayed
    but not lost, as nothing in a call sends them twice.

    Args:
        inner: the real transport.
        spec: the network.
    """

    def __init__(self, inner: Transport, spec: LinkSpec) -> None:
        self._inner = inner
        self._loss = SimulatedLink(LinkSpec(loss=spec.loss, burst=spec.burst, seed=spec.seed))
        self._link = SimulatedLink(replace(spec, loss=0.0))
        self._ready: list[bytes] = []
        self._changed = asyncio.Event()
        self._end: ConnectionError | None = None
        self._reader = asyncio.create_task(self._read())

    @property
    def remote(self) -> str:
        """Who is at the other end."""
        return self._inner.remote

    async def recv(self) -> bytes:
        """The next message that has arrived."""
        while not self._ready:
            arrival = self._link.next_arrival()
            if arrival is None and self._end is not None:
                raise self._end
            self._changed.clear()
            with suppress(TimeoutError):
                wait_s = None if arrival is None else max(0.0, arrival - time.monotonic())
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            self._ready += self._link.receive(time.monotonic())
        return self._ready.pop(0)

    async def send(self, data: bytes) -> None:
        """Send a message, over the real transport only."""
        await self._inner.send(data)

    def unsent_bytes(self) -> int:
        """As the real transport says."""
        return self._inner.unsent_bytes()

    def least_rtt_s(self) -> float | None:
        """Nothing: the real transport's is not that of the simulated network."""
        return None

    async def close(self) -> None:
        """Hang up."""
        self._reader.cancel()
        await asyncio.wait((self._reader,))
        await self._inner.close()

    async def _read(self) -> None:
        try:
            while True:
                data = await self._inner.recv()
                # A text message is malformed whenever it comes, and so is an empty one.
                self._take(b"" if isinstance(data, str) else data)
                self._changed.set()
        except ConnectionError as error:
            self._end = error
            self._changed.set()

    def _take(self, data: bytes) -> None:
        now = time.monotonic()
        if not is_sealed(data) and not room.is_after_handshake(data):
            self._ready.append(data)
            return
        if Stream.of(data) is Stream.AUDIO if is_sealed(data) else room.is_audio(data):
            self._loss.send(data, now)
            if not self._loss.receive(now):
                return
        self._link.send(data, now)


def simulated(spec: LinkSpec | None) -> Wrap | None:
    """What puts the network of ``spec`` around a transport; None for None."""
    return None if spec is None else lambda transport: SimulatedTransport(transport, spec)
