"""One connection to a relay: a room's session driven by a websocket and the clock."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from q2d2_stream.call.outbox import Outbox
from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import Counters, Direction, Echo, Mute, Text
from q2d2_stream.rooms import (
    Admitted,
    PathLoss,
    PathOffer,
    Recording,
    RoomClosed,
    RoomEvent,
    RoomLink,
    RoomSession,
)
from q2d2_stream.rooms.messages import is_audio
from q2d2_stream.sending import Link, WireMeter
from q2d2_stream.transport.base import Transport
from q2d2_stream.transport.room_path import MEMBER_ECHO_S, RoomPath
from q2d2_stream.transport.udp import Route, connect_udp

__all__ = ["RoomConnection"]

_TICK_S = 0.1
_LOSS_S = 2.0
_SENT_KEPT = 512


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
        self.frames_per_message = frames_per_message
        self._link = link
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
        self._path: RoomPath | None = None
        self._path_to: _Where | None = None
        self._opening: asyncio.Task[None] | None = None
        self._sent: OrderedDict[int, int] = OrderedDict()  # by datagram: its first frame
        self._next_loss = now

    @property
    def remote(self) -> str:
        """The relay's address."""
        return self._transport.remote

    @property
    def link(self) -> Link:
        """What audio costs the way that it goes now."""
        path = self._path
        return path.link if path is not None and path.carries_audio else self._link

    @property
    def path(self) -> RoomPath | None:
        """The datagrams beside the transport; None where there are none."""
        return self._path

    @property
    def path_name(self) -> str:
        """What carries the audio that is sent now: "websocket" or "udp"."""
        return self.link.name

    @property
    def path_failures(self) -> int:
        """Times that datagrams got through no longer."""
        return self._path.failures if self._path is not None else 0

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
        """Bytes of audio, and what waits before it, that have not left this machine."""
        path = self._path
        if path is not None and path.carries_audio:
            return 0
        return self._outbox.unsent_bytes()

    def ask_datagrams(self, host: str, *, is_ipv6: bool, is_only: bool) -> None:
        """Let audio go by UDP whenever that gets through, where the relay takes it; only once in
        the room.

        Args:
            host: of the relay.
            is_ipv6: for what a datagram costs.
            is_only: audio never goes by the transport.
        """
        self._path_to = _Where(host, is_ipv6, is_only)
        self.session.ask_path()
        self._flush()

    def doubt_datagrams(self, *, is_thin: bool = False) -> None:
        """The relay echoes nothing of what goes by datagrams: both ways carry the audio now, or
        where the link is thin the transport alone."""
        if self._path is not None:
            now = time.monotonic()
            again = self._path.doubt(now, is_thin=is_thin)
            for message in again:
                self._put(message)
            if again and self._sent:
                self.session.ask_for_echo(next(reversed(self._sent.values())), now)
                self._flush()
            self._path.tick(now)

    def attach(self, handler: Callable[[RoomEvent, float], None]) -> None:
        """Begin to take events: ``handler(event, now)``, which must not block."""
        self._handler = handler
        self._attached.set()

    def send_audio(self, frames: AudioFrames, *, copies: bool = False) -> int:
        """Send frames to everybody; bytes of the message, 0 when this side is not in the room."""
        before = self.counters.sent_bytes
        payload, nominal = self.counters.sent_payload_bytes, self.counters.sent_nominal_bits
        voiced = not frames.dtx and self._is_voiced()
        path = self._path
        echo = path is None or path.needs_websocket  # datagrams are echoed as they are
        if not self.session.send_audio(
            frames, time.monotonic(), voiced=voiced, copies=copies, echo=echo
        ):
            return 0
        counters = self.counters
        self.sent.count_payload(
            counters.sent_payload_bytes - payload,
            counters.sent_nominal_bits - nominal,
            time.monotonic(),
        )
        size = counters.sent_bytes - before
        self._flush(frames.sequence)
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
        if self._opening is not None:
            others.append(self._opening)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._path is not None:
            self._path.close()
        await self._transport.close()

    def _dispatch(self, events: list[RoomEvent]) -> None:
        now = time.monotonic()
        for event in events:
            if isinstance(event, Admitted):
                self.admitted.set_result(event)
            if isinstance(event, PathOffer):
                self._opening = asyncio.create_task(self._open_path(event))
            elif isinstance(event, RoomClosed):
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
                events = self._receive(data, now)
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

    def _receive(self, data: bytes | str, now: float) -> list[RoomEvent]:
        counters = self.counters
        payload, nominal = counters.received_payload_bytes, counters.received_nominal_bits
        events = self.session.receive_data(data, now)
        self.received.count_payload(
            counters.received_payload_bytes - payload,
            counters.received_nominal_bits - nominal,
            now,
        )
        return events

    def _flush(self, sequence: int = 0) -> None:
        """Send what the session wants sent: audio, whose first frame is number ``sequence``, by
        the way that works, the rest in order."""
        path = self._path
        now = time.monotonic()
        for data in self.session.data_to_send():
            if path is not None and is_audio(data):
                if path.carries_audio:
                    self._sent[path.send_message(data, now)] = sequence
                    if len(self._sent) > _SENT_KEPT:
                        self._sent.popitem(last=False)
                if not path.needs_websocket:
                    continue
            self._put(data)

    def _put(self, data: bytes) -> None:
        self.sent.count(len(data), time.monotonic())
        self._outbox.put(data)

    async def _tick(self) -> None:
        while (deadline := self.session.deadline) is not None:
            if self._path is not None:
                deadline = min(deadline, self._path.deadline)
            await asyncio.sleep(min(max(0.0, deadline - time.monotonic()), _TICK_S))
            now = time.monotonic()
            self._dispatch(self.session.tick(now))
            if self._path is not None and not self.closed.done():
                self._path.tick(now)
                self._tell_loss(self._path, now)
            self._flush()

    # -- datagrams --------------------------------------------------------------------------------

    async def _open_path(self, offer: PathOffer) -> None:
        where = self._path_to
        if where is None or not offer.port:
            return
        try:
            endpoint = await connect_udp(where.host, offer.port, offer.token)
        except OSError:  # the websocket carries everything then
            return
        path = self._path = RoomPath(
            endpoint,
            self,
            offer.member_key,
            offer.relay_key,
            time.monotonic(),
            echo_s=MEMBER_ECHO_S,
            is_ipv6=where.is_ipv6,
            is_only=where.is_only,
        )
        endpoint.attach(self._on_datagram)
        path.tick(time.monotonic())

    def _on_datagram(self, data: bytes, route: Route) -> None:
        if self._path is not None and not self.closed.done():
            now = time.monotonic()
            self.received.count(len(data), now, self._path.link)
            self._path.take(data, route, now)

    def may_take(self, size: int, now: float) -> bool:
        """As of :class:`PathOwner`: the session has limits for what the members say."""
        return True

    def on_message(self, message: bytes, now: float) -> None:
        """As of :class:`PathOwner`."""
        self._dispatch(self._receive(message, now))

    def on_echo(self, number: int, now: float) -> None:
        """As of :class:`PathOwner`: the datagram tells which frames arrived."""
        sequence = self._sent.get(number)
        if sequence is not None:
            self._dispatch([Echo(sequence, 0.0)])

    def on_sent(self, size: int, now: float) -> None:
        """As of :class:`PathOwner`."""
        assert self._path is not None
        self.sent.count(size, now, self._path.link)

    def send_again(self, message: bytes) -> None:
        """As of :class:`PathOwner`."""
        self._put(message)

    def _tell_loss(self, path: RoomPath, now: float) -> None:
        if now < self._next_loss:
            return
        self._next_loss = now + _LOSS_S
        if (share := path.loss()) is not None:
            self._dispatch([PathLoss(share)])


@dataclass(frozen=True)
class _Where:
    """Where datagrams go, and what is known of that."""

    host: str
    is_ipv6: bool
    is_only: bool
