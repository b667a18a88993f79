"""A peer that sends back what it hears: codec and network, heard on one's own voice."""

from __future__ import annotations

import asyncio
import time

from q2d2_stream.call.connection import Connection
from q2d2_stream.call.connector import Connector
from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import (
    Call,
    CallRegistry,
    Closed,
    Endpoint,
    Event,
    Reason,
    ReceiverReport,
    Role,
    Session,
)
from q2d2_stream.sending import WebSocketLink
from q2d2_stream.transport.base import Wrap
from q2d2_stream.transport.memory import MemoryTransport

__all__ = ["EchoConnector"]


class EchoConnector(Connector):
    """A line whose peer lives in this process and returns every frame as it came.

    Real messages go both ways through real sessions; only the socket is missing.

    Args:
        endpoint: of both ends.
        wrap: puts something between the echo and the ear, such as a simulated network.
    """

    def __init__(self, endpoint: Endpoint, wrap: Wrap | None = None) -> None:
        self._endpoint = endpoint
        self._wrap = wrap
        self._tasks: list[asyncio.Task[Closed]] = []

    @property
    def hold_s(self) -> float:
        """Memory does not break."""
        return 0.0

    async def open(self) -> Connection | Closed:
        """A connection to the echo."""
        here, there = MemoryTransport.pair()
        ear = self._wrap(here) if self._wrap is not None else here
        now = time.monotonic()
        near = Connection(
            ear,
            Session(self._endpoint, Role.CLIENT, now, call=Call()),
            WebSocketLink(Role.CLIENT),
        )
        far = Connection(
            there,
            Session(self._endpoint, Role.SERVER, now, registry=CallRegistry()),
            WebSocketLink(Role.SERVER),
        )

        def echo(event: Event, now: float) -> None:
            if isinstance(event, AudioFrames):
                if not event.is_copy:
                    far.send_audio(event)
            elif isinstance(event, ReceiverReport):
                far.send_report(event)  # what the ear heard is what became of the mouth's frames

        far.attach(echo)
        self._tasks = [asyncio.create_task(near.run()), asyncio.create_task(far.run())]
        await near.established
        return near

    async def reopen(self, call: Call) -> Closed:
        """Memory does not break; it is over."""
        return Closed(Reason.LOST, "the loopback has ended", by_peer=False)
