"""Real relays on 127.0.0.1, and members that speak to them over real websockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from websockets.asyncio.client import ClientConnection, connect

from q2d2_stream.protocol import Endpoint
from q2d2_stream.relay import Bus, Relay, RelayLimits
from q2d2_stream.rooms import Admitted, RoomClosed, RoomEvent, RoomKeys, RoomLink, RoomSession
from q2d2_stream.transport import parse_address
from tests.labs.call import free_port
from tests.labs.rooms import endpoint
from tests.labs.udp_proxy import UdpProxy

__all__ = ["Guest", "lossy", "relay", "until"]


@asynccontextmanager
async def relay(bus: Bus | None = None, limits: RelayLimits | None = None) -> AsyncIterator[Relay]:
    """A relay on a free port."""
    it = Relay(parse_address("127.0.0.1:0"), bus, limits=limits)
    await it.start()
    try:
        yield it
    finally:
        await it.close()


@asynccontextmanager
async def lossy(it: Relay) -> AsyncIterator[UdpProxy]:
    """Members are told of a port at which datagrams can be lost."""
    assert it.datagrams is not None
    proxy, port = UdpProxy(it.datagrams.port), free_port()
    await proxy.open(port)
    it.datagrams.port = port
    try:
        yield proxy
    finally:
        proxy.close()


async def until(true: object, what: str, limit_s: float = 30.0) -> None:
    """Wait until a function says so."""
    end = time.monotonic() + limit_s
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, f"waited {limit_s:g} s for {what}"
        await asyncio.sleep(0.01)


class Guest:
    """A member over a websocket of its own."""

    def __init__(self, link: RoomLink, name: str = "", own: Endpoint | None = None) -> None:
        self.keys = RoomKeys(link.secret)
        self.session = RoomSession(self.keys, own or endpoint(), name, time.monotonic())
        self.events: list[RoomEvent] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.websocket: ClientConnection | None = None

    @property
    def closed(self) -> RoomClosed | None:
        """Why it is over."""
        return next((e for e in self.events if isinstance(e, RoomClosed)), None)

    async def enter(self, port: int, headers: dict[str, str] | None = None) -> Guest:
        """Go in, and wait until the relay has answered."""
        self.websocket = await connect(
            f"ws://127.0.0.1:{port}/room", compression=None, additional_headers=headers
        )
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._tick())]
        await until(
            lambda: self.closed or any(isinstance(e, Admitted) for e in self.events), "the relay"
        )
        return self

    async def leave(self) -> None:
        """Go out."""
        for task in self._tasks:
            task.cancel()
        assert self.websocket is not None
        await self.websocket.close()

    async def flush(self) -> None:
        """Send what waits."""
        for data in self.session.data_to_send():
            await self.send(data)

    async def send(self, data: bytes) -> None:
        """Send anything, whether it is of the protocol or not."""
        assert self.websocket is not None
        await self.websocket.send(data)

    async def _read(self) -> None:
        assert self.websocket is not None
        with suppress(Exception):
            async for data in self.websocket:
                self.events += self.session.receive_data(data, time.monotonic())
                await self.flush()
        self.events += self.session.connection_lost()

    async def _tick(self) -> None:
        with suppress(Exception):
            while self.session.deadline is not None:
                await asyncio.sleep(0.05)
                self.events += self.session.tick(time.monotonic())
                await self.flush()
