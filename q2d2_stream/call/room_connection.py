"""One connection to a relay: a room's session driven by a websocket and the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from q2d2_stream.call.outbox import Outbox
from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import Counters, Direction, Mute, Text
from q2d2_stream.rooms import (
    Admitted,
    Recording,
    RoomClosed,
    RoomEvent,
    RoomLink,
    RoomSession,
)
from q2d2_stream.sending import Link, WireMeter
from q2d2_stream.transport.base import Transport

__all__ = ["RoomConnection"]

_TICK_S = 0.1


class RoomConnection:
    """Runs a room's session until it is closed. Sends as :class:`q2d2_stream.call.Connection`.

    Args:
        transport: to the relay, open.
        session: fresh, with ``time.monotonic`` as its clock.
        link: the layers below, sending.
        frames_per_message: the fewest frames per message.
        is_voiced: whether the microphone holds voice now.

    Attributes:
        admitted: done when the relay has let this side in; cancelled when it does not.
        closed: done when the session is over.
        gone: set when the last word is sent, too, and the transport closed.
        began: when it was made, in seconds of ``time.monotonic``.
        sent, received: bit rates.
        received_messages: messages that came.
    """

    def __init__(
        self,
        transport: Transport,
        session: RoomSession,
        link: Link,
        frames_per_message: int,
        is_voiced: Callable[[], bool],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.began = now = time.monotonic()
        self.session = session
        self.link, self.frames_per_message = link, frames_per_message
        self.admitted: asyncio.Future[Admitted] = loop.create_future()
        self.closed: asyncio.Future[RoomClosed] = loop.create_future()
        self.gone = asyncio.Event()
        self.sent, self.received = WireMeter(link, now), WireMeter(link.reversed, now)
        self.received_messages = 0
        self._transport = transport
        self._is_voiced = is_voiced
        self._handler: Callable[[RoomEvent, float], None] | None = None
        self._attached = asyncio.Event()
        self._outbox = Outbox(transport)

    @property
    def remote(self) -> str:
        """The relay's address."""
        return self._transport.remote

    @property
    def path_name(self) -> str:
        """What carries the audio."""
        return self.link.name

    @property
    def path_failures(self) -> int:
        """There are no datagrams that could fail."""
        return 0

    @property
    def counters(self) -> Counters:
        """What the session counted."""
        return self.session.counters

    @property
    def sending(self) -> Direction:
        """How this side sends."""
        return self.session.direction

    @property
    def rtt_s(self) -> float | None:
        """Latest round trip to the relay, in seconds."""
        return self.session.rtt_s

    @property
    def rtt_min_s(self) -> float | None:
        """Least round trip to the relay so far."""
        return self.session.rtt_min_s

    def carried_bps(self) -> float | None:
        """Nothing was measured."""
        return None

    def buffered_bytes(self) -> int:
        """Bytes of messages that have not left this machine."""
        return self._outbox.unsent_bytes()

    def doubt_datagrams(self) -> None:
        """There are none."""

    def attach(self, handler: Callable[[RoomEvent, float], None]) -> None:
        """Begin to take events: ``handler(event, now)``, which must not block."""
        self._handler = handler
        self._attached.set()

    def send_audio(self, frames: AudioFrames, *, copies: bool = False) -> int:
        """Send frames to everybody; bytes of the message, 0 when this side is not in the room."""
        before = self.counters.sent_bytes
        payload, nominal = self.counters.sent_payload_bytes, self.counters.sent_nominal_bits
        voiced = not frames.dtx and self._is_voiced()
        if not self.session.send_audio(frames, time.monotonic(), voiced=voiced):
            return 0
        counters = self.counters
        self.sent.count_payload(
            counters.sent_payload_bytes - payload,
            counters.sent_nominal_bits - nominal,
            time.monotonic(),
        )
        size = counters.sent_bytes - before
        self._flush()
        return size

    def send(self, message: Mute | Text | Recording) -> bool:
        """Send a message to everybody; False, and nothing sent, unless in the room."""
        sent = self.session.send(message)
        self._flush()
        return sent

    def show_code(self, link: RoomLink) -> bool:
        """Ask for a code that leads to ``link``; False unless in the room."""
        asked = self.session.show_code(link)
        self._flush()
        return asked

    def close(self) -> None:
        """Leave; :meth:`run` then ends."""
        self._dispatch(self.session.close())

    async def run(self) -> RoomClosed:
        """Serve until the session is closed and its last word is sent."""
        writer = asyncio.create_task(self._outbox.run())
        tasks = [asyncio.create_task(each()) for each in (self._read, self._tick)]
        try:
            return await asyncio.shield(self.closed)
        finally:
            try:
                await self._leave(writer, tasks)
            finally:
                self.gone.set()

    async def _leave(self, writer: asyncio.Task[None], others: list[asyncio.Task[None]]) -> None:
        self.close()  # only where the task that runs this is cancelled
        if not self.admitted.done():
            self.admitted.cancel()
        await self._outbox.drain(writer)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._transport.close()

    def _dispatch(self, events: list[RoomEvent]) -> None:
        now = time.monotonic()
        for event in events:
            if isinstance(event, Admitted):
                self.admitted.set_result(event)
            if isinstance(event, RoomClosed):
                self.closed.set_result(event)
                self._outbox.finish()
            elif self._handler is not None:
                self._handler(event, now)

    async def _read(self) -> None:
        try:
            while not self.closed.done():
                data = await self._transport.recv()
                now = time.monotonic()
                self.received_messages += 1
                self.received.count(len(data), now)
                counters = self.counters
                payload, nominal = counters.received_payload_bytes, counters.received_nominal_bits
                events = self.session.receive_data(data, now)
                self.received.count_payload(
                    counters.received_payload_bytes - payload,
                    counters.received_nominal_bits - nominal,
                    now,
                )
                self._flush()
                if any(isinstance(event, Admitted) for event in events):
                    self.admitted.set_result(
                        next(event for event in events if isinstance(event, Admitted))
                    )
                    await self._attached.wait()
                    events = [event for event in events if not isinstance(event, Admitted)]
                self._dispatch(events)
        except ConnectionError:
            self._dispatch(self.session.connection_lost())

    def _flush(self) -> None:
        for data in self.session.data_to_send():
            self.sent.count(len(data), time.monotonic())
            self._outbox.put(data)

    async def _tick(self) -> None:
        while (deadline := self.session.deadline) is not None:
            await asyncio.sleep(min(max(0.0, deadline - time.monotonic()), _TICK_S))
            self._dispatch(self.session.tick(time.monotonic()))
            self._flush()
