"""A peer that sends back what it hears: codec and network, heard on one's own voice."""

from __future__ import annotations

import asyncio
import time

from q2d2_stream.call.connection import Connection
from q2d2_stream.call.line import Line
from q2d2_stream.call.pipe import MemoryPipe, Pipe
from q2d2_stream.call.simulated_pipe import SimulatedPipe
from q2d2_stream.playout import LinkSpec
from q2d2_stream.wire import (
    AudioFrames,
    Call,
    Closed,
    Endpoint,
    Event,
    Link,
    Lobby,
    Reason,
    ReceiverReport,
    Role,
    Session,
)

__all__ = ["EchoLine"]


class EchoLine(Line):
    """A line whose peer lives in this process and returns every frame as it came.

    Real messages go both ways through real sessions; only the socket is missing.

    Args:
        endpoint: of both ends.
        simulate: a network between the echo and the ear.
    """

    def __init__(self, endpoint: Endpoint, simulate: LinkSpec | None = None) -> None:
        self._endpoint = endpoint
        self._simulate = simulate
        self._tasks: list[asyncio.Task[Closed]] = []

    async def open(self) -> Connection | Closed:
        """A connection to the echo."""
        here, there = MemoryPipe.pair()
        ear: Pipe = here
        if self._simulate is not None:
            ear = SimulatedPipe(here, self._simulate)
        now = time.monotonic()
        config = self._endpoint.config
        near = Connection(
            ear,
            Session(self._endpoint, Role.CLIENT, now, call=Call()),
            config,
            Link(Role.CLIENT),
        )
        far = Connection(
            there,
            Session(self._endpoint, Role.SERVER, now, lobby=Lobby()),
            config,
            Link(Role.SERVER),
        )

        def echo(event: Event, now: float) -> None:
            if isinstance(event, AudioFrames):
                far.send_audio(event)
            elif isinstance(event, ReceiverReport):
                far.send(event)  # what the ear heard is what became of the mouth's frames

        far.attach(echo)
        self._tasks = [asyncio.create_task(near.run()), asyncio.create_task(far.run())]
        await near.established
        return near

    async def reopen(self, call: Call) -> Closed:
        """Memory does not break; it is over."""
        return Closed(Reason.LOST, "the loopback has ended", by_peer=False)
