"""One connection of a call: a session driven by a transport and the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from q2d2_stream.call.outbox import Outbox
from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import (
    Closed,
    Counters,
    Direction,
    Established,
    Event,
    Mute,
    PathAnswer,
    PathProbe,
    ReceiverReport,
    Session,
    State,
    Text,
)
from q2d2_stream.protocol.sealing import Stream, is_sealed
from q2d2_stream.sending import Link, WireMeter
from q2d2_stream.transport.base import Transport
from q2d2_stream.transport.datagram_path import DatagramPath
from q2d2_stream.transport.udp import Route, UdpEndpoint

__all__ = ["Connection"]

_TICK_S = 0.25  # a ping may be so late; a new connection of the call is noticed so fast


class Connection:
    """Runs a session until it is closed.

    Three tasks share it on one event loop: one reads, one writes what the session wants sent, one
    keeps its deadlines. After the handshake reading pauses until :meth:`attach`, so nothing is
    lost while the owner gets ready; it waits in TCP.

    Args:
        transport: to the peer, open.
        session: fresh, with ``time.monotonic`` as its clock.
        link: the layers below, sending.

    Attributes:
        established: done when the handshake is; cancelled when it fails.
        closed: done when the session is over.
        gone: set when the last word is sent, too, and the transport closed.
        began: when it was made, in seconds of ``time.monotonic``.
        sent, received: bit rates.
        rtt_min_s: least round trip so far.
        received_messages: messages that came over the transport, which acknowledges them.
    """

    def __init__(self, transport: Transport, session: Session, link: Link) -> None:
        loop = asyncio.get_running_loop()
        self.began = now = time.monotonic()
        self._transport = transport
        self._session = session
        self._link = link
        self.established: asyncio.Future[Established] = loop.create_future()
        self.closed: asyncio.Future[Closed] = loop.create_future()
        self.gone = asyncio.Event()
        self.sent = WireMeter(link, now)
        self.received = WireMeter(link.reversed, now)
        self.rtt_min_s: float | None = None
        self.received_messages = 0
        self._handler: Callable[[Event, float], None] | None = None
        self._path: DatagramPath | None = None
        self._attached = asyncio.Event()
        self._outbox = Outbox(transport)

    @property
    def remote(self) -> str:
        """The peer's address."""
        return self._transport.remote

    @property
    def link(self) -> Link:
        """What audio costs the way that it goes now."""
        path = self._path
        return path.link if path is not None and path.carries_audio else self._link

    @property
    def path(self) -> DatagramPath | None:
        """The datagrams beside the transport; None where there are none."""
        return self._path

    @property
    def path_failures(self) -> int:
        """Times that datagrams got through no longer."""
        return self._path.failures if self._path is not None else 0

    @property
    def path_name(self) -> str:
        """What carries the audio now: "websocket", "udp" or "serial"."""
        return self.link.name

    @property
    def sending(self) -> Direction:
        """How this side sends; only once established."""
        return self.established.result().sending

    @property
    def frames_per_message(self) -> int:
        """The fewest frames per message; only once established."""
        return self.established.result().frames_per_message

    @property
    def counters(self) -> Counters:
        """What the session counted."""
        return self._session.counters

    @property
    def rtt_s(self) -> float | None:
        """Latest round trip in seconds."""
        return self._session.rtt_s

    def carried_bps(self) -> float | None:
        """Bits per second at which the handshake went, about what a thin link carries and less
        than a good one does; None where nothing was measured."""
        exchange = self.established.result().exchange
        if exchange is None:
            return None
        # What a packet without content takes is the link's length and not its width.
        least_s = self._transport.least_rtt_s() or 0.0
        return 8 * exchange.message_bytes / max(exchange.seconds - least_s, 1e-3)

    def silent_s(self) -> float:
        """Seconds since something genuine came from the peer."""
        return self._session.silent_s(time.monotonic())

    def buffered_bytes(self) -> int:
        """Bytes of audio, and what waits before it, that have not left this machine."""
        path = self._path
        if path is not None and path.carries_audio:
            return 0
        return self._outbox.unsent_bytes()

    def attach(self, handler: Callable[[Event, float], None]) -> None:
        """Begin to take events: ``handler(event, now)``, which must not block."""
        self._handler = handler
        self._attached.set()

    def use_datagrams(self, endpoint: UdpEndpoint, *, is_ipv6: bool, is_only: bool) -> None:
        """Let audio go by ``endpoint`` whenever the peer answers there; only once established.

        Args:
            endpoint: of the path that the handshake's token names.
            is_ipv6: for what a datagram costs.
            is_only: audio never goes by the transport.
        """
        self._path = DatagramPath(
            endpoint, self._seal_path, time.monotonic(), is_ipv6=is_ipv6, is_only=is_only
        )
        endpoint.attach(self._on_datagram)

    def doubt_datagrams(self, *, is_thin: bool = False) -> None:
        """The peer echoes nothing of what goes by datagrams: both ways carry the audio now, or
        where the link is thin the transport alone."""
        if self._path is not None:
            for data in self._path.doubt(time.monotonic(), is_thin=is_thin):
                self._put(data)

    def send_audio(self, frames: AudioFrames, *, copies: bool = False) -> int:
        """Send frames; bytes of the message, 0 when the session is not established.

        Args:
            frames: consecutive ones.
            copies: whether to repeat the message before at the lowest rate.
        """
        now = time.monotonic()
        counters = self._session.counters
        total, payload = counters.sent_bytes, counters.sent_payload_bytes
        nominal = counters.sent_nominal_bits
        if not self._session.send_audio(frames, now, copies=copies):
            return 0
        self.sent.count_payload(
            counters.sent_payload_bytes - payload, counters.sent_nominal_bits - nominal, now
        )
        self._flush()
        return counters.sent_bytes - total

    def send(self, message: Mute | Text) -> bool:
        """Send a message; False, and nothing sent, unless the session is established."""
        sent = self._session.send(message)
        self._flush()
        return sent

    def send_report(self, report: ReceiverReport) -> None:
        """Let a report go with the next audio, or alone."""
        self._session.send_report(report, time.monotonic())

    def close(self, text: str = "the call has ended") -> None:
        """Say bye; :meth:`run` then ends."""
        self._dispatch(self._session.close(time.monotonic(), text))
        self._flush()

    async def run(self) -> Closed:
        """Serve until the session is closed and its last word is sent."""
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._outbox.run())
        ticker = asyncio.create_task(self._tick())
        self._flush()
        try:
            return await asyncio.shield(self.closed)
        finally:
            try:
                await self._leave(writer, reader, ticker)
            finally:
                self.gone.set()

    async def _leave(self, writer: asyncio.Task[None], *others: asyncio.Task[None]) -> None:
        self.close()  # only where the task that runs this is cancelled
        if not self.established.done():
            self.established.cancel()
        for task in others:
            task.cancel()
        await self._outbox.drain(writer)
        await asyncio.gather(*others, return_exceptions=True)
        if self._path is not None:
            self._path.close()
        await self._transport.close()

    def _dispatch(self, events: list[Event]) -> None:
        now = time.monotonic()
        for event in events:
            if isinstance(event, Established):
                self.established.set_result(event)
                self._dispatch(self._session.tick(now))  # the first ping, at once
            elif isinstance(event, Closed):
                self.closed.set_result(event)
            elif self._handler is not None:
                self._handler(event, now)

    # -- what comes -----------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            while not self.closed.done():
                data = await self._transport.recv()
                self.received_messages += 1
                self._dispatch(self._receive(data, self._link))
                self._flush()
                if self._session.state is State.ESTABLISHED:
                    await self._attached.wait()
        except ConnectionError:
            self._dispatch(self._session.connection_lost(time.monotonic()))
            self._flush()

    def _receive(self, data: bytes | str, link: Link) -> list[Event]:
        now = time.monotonic()
        counters = self._session.counters
        payload, nominal = counters.received_payload_bytes, counters.received_nominal_bits
        events = self._session.receive_data(data, now)
        self.received.count(len(data), now, link.reversed)
        self.received.count_payload(
            counters.received_payload_bytes - payload,
            counters.received_nominal_bits - nominal,
            now,
        )
        rtt_s = self._session.rtt_s
        if rtt_s is not None:
            self.rtt_min_s = min(rtt_s, self.rtt_min_s or rtt_s)
        return events

    def _on_datagram(self, data: bytes, route: Route) -> None:
        path = self._path
        if path is None or self.closed.done() or not self._attached.is_set():
            return
        now = time.monotonic()
        events = self._receive(data, path.link)
        for event in events:
            if isinstance(event, PathAnswer):
                path.answered(event.number, route, now)
            elif isinstance(event, PathProbe):
                self._count_datagram(path.probed(event.number, route, now), path.link)
        self._dispatch([event for event in events if not isinstance(event, PathProbe)])
        self._flush()

    # -- what goes ------------------------------------------------------------------------------

    def _seal_path(self, ask: int | None, answer: int | None) -> bytes:
        """In a call who answers does not ask with it."""
        if answer is not None:
            return self._session.seal(PathAnswer(answer))
        assert ask is not None
        return self._session.seal(PathProbe(ask))

    def _flush(self) -> None:
        """Send what the session wants sent: audio by the way that works, the rest in order."""
        path = self._path
        now = time.monotonic()
        for data in self._session.data_to_send():
            if path is not None and is_sealed(data) and Stream(data[0] >> 6) is Stream.AUDIO:
                if path.carries_audio:
                    path.send(data, now)
                    self._count_datagram(len(data), path.link)
                if not path.needs_websocket:
                    continue
            elif path is not None and self.closed.done() and path.carries_audio:
                # The last word goes both ways: on a link that loses much, TCP may still be at it
                # when this side is long gone.
                path.send(data, now)
                self._count_datagram(len(data), path.link)
            self._put(data)
        if self.closed.done():
            self._outbox.finish()

    def _put(self, data: bytes) -> None:
        self.sent.count(len(data), time.monotonic())
        self._outbox.put(data)

    def _count_datagram(self, count: int, link: Link) -> None:
        if count:
            self.sent.count(count, time.monotonic(), link)

    async def _tick(self) -> None:
        while (deadline := self._session.deadline) is not None:
            if self._path is not None:
                deadline = min(deadline, self._path.deadline)
            await asyncio.sleep(min(max(0.0, deadline - time.monotonic()), _TICK_S))
            self._dispatch(self._session.tick(time.monotonic()))
            if self._path is not None and not self.closed.done():
                self._count_datagram(self._path.poll(time.monotonic()), self._path.link)
            self._flush()
