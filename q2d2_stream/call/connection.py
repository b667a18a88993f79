"""One connection of a call: a session driven by a transport and the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import (
    Closed,
    Counters,
    Established,
    Event,
    Mute,
    ReceiverReport,
    Session,
    State,
    Text,
)
from q2d2_stream.sending import Link, WireMeter
from q2d2_stream.transport.base import Transport

__all__ = ["Connection"]

_TICK_S = 0.25  # a ping may be so late; a new connection of the call is noticed so fast
_FLUSH_S = 1.0  # for the last word to a peer that does not read


class Connection:
    """Runs a session until it is closed.

    Three tasks share it on one event loop: one reads, one writes what the session wants sent, one
    keeps its deadlines. After the handshake reading pauses until :meth:`attach`, so nothing is
    lost while the owner gets ready; it waits in TCP.

    Args:
        transport: to the peer, open.
        session: fresh, with ``time.monotonic`` as its clock.
        link: the layers below, sending; the other direction differs only in the mask.

    Attributes:
        established: done when the handshake is; cancelled when it fails.
        closed: done when the session is over.
        began: when it was made, in seconds of ``time.monotonic``.
        sent, received: bit rates.
        rtt_min_s: least round trip so far.
    """

    def __init__(self, transport: Transport, session: Session, link: Link) -> None:
        loop = asyncio.get_running_loop()
        self.began = now = time.monotonic()
        self._transport = transport
        self._session = session
        self.established: asyncio.Future[Established] = loop.create_future()
        self.closed: asyncio.Future[Closed] = loop.create_future()
        self.link = link
        self.sent = WireMeter(link, now)
        self.received = WireMeter(
            Link(link.sender.other, link.tls, link.tcp_timestamps, link.ipv6), now
        )
        self.rtt_min_s: float | None = None
        self._handler: Callable[[Event, float], None] | None = None
        self._attached = asyncio.Event()
        self._outgoing = asyncio.Event()
        self._outgoing_bytes = 0

    @property
    def remote(self) -> str:
        """The peer's address."""
        return self._transport.remote

    @property
    def counters(self) -> Counters:
        """What the session counted."""
        return self._session.counters

    @property
    def rtt_s(self) -> float | None:
        """Latest round trip in seconds."""
        return self._session.rtt_s

    def unanswered_s(self) -> float:
        """Age of the oldest ping without an answer, in seconds."""
        return self._session.unanswered_s(time.monotonic())

    def silent_s(self) -> float:
        """Seconds since something genuine came from the peer."""
        return self._session.silent_s(time.monotonic())

    def buffered_bytes(self) -> int:
        """Bytes of messages that have not left this machine."""
        return self._outgoing_bytes + self._transport.unsent_bytes()

    def attach(self, handler: Callable[[Event, float], None]) -> None:
        """Begin to take events: ``handler(event, now)``, which must not block."""
        self._handler = handler
        self._attached.set()

    def send_audio(self, frames: AudioFrames) -> bool:
        """Send frames; False, and nothing sent, unless the session is established."""
        counters = self._session.counters
        payload, nominal = counters.sent_payload_bytes, counters.sent_nominal_bits
        sent = self._session.send_audio(frames)
        self.sent.count_payload(
            counters.sent_payload_bytes - payload,
            counters.sent_nominal_bits - nominal,
            time.monotonic(),
        )
        self._flush()
        return sent

    def send(self, message: ReceiverReport | Mute | Text) -> bool:
        """Send a message; False, and nothing sent, unless the session is established."""
        sent = self._session.send(message)
        self._flush()
        return sent

    def close(self, text: str = "the call has ended") -> None:
        """Say bye; :meth:`run` then ends."""
        self._dispatch(self._session.close(time.monotonic(), text))
        self._flush()

    async def run(self) -> Closed:
        """Serve until the session is closed and its last word is sent."""
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        ticker = asyncio.create_task(self._tick())
        self._flush()
        try:
            return await asyncio.shield(self.closed)
        finally:
            self.close()  # only where the task that runs this is cancelled
            if not self.established.done():
                self.established.cancel()
            reader.cancel()
            ticker.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH_S):
                    await writer
            await asyncio.gather(reader, ticker, return_exceptions=True)
            await self._transport.close()

    def _flush(self) -> None:
        self._outgoing.set()

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

    async def _read(self) -> None:
        try:
            while not self.closed.done():
                data = await self._transport.recv()
                now = time.monotonic()
                counters = self._session.counters
                payload, nominal = counters.received_payload_bytes, counters.received_nominal_bits
                events = self._session.receive_data(data, now)
                self.received.count(len(data), now)
                self.received.count_payload(
                    counters.received_payload_bytes - payload,
                    counters.received_nominal_bits - nominal,
                    now,
                )
                rtt_s = self._session.rtt_s
                if rtt_s is not None:
                    self.rtt_min_s = min(rtt_s, self.rtt_min_s or rtt_s)
                self._dispatch(events)
                self._flush()
                if self._session.state is State.ESTABLISHED:
                    await self._attached.wait()
        except ConnectionError:
            self._dispatch(self._session.connection_lost(time.monotonic()))
            self._flush()

    async def _write(self) -> None:
        try:
            while True:
                await self._outgoing.wait()
                self._outgoing.clear()
                messages = self._session.data_to_send()
                self._outgoing_bytes = sum(map(len, messages))
                for data in messages:
                    await self._transport.send(data)
                    self._outgoing_bytes -= len(data)
                    self.sent.count(len(data), time.monotonic())
                if self.closed.done():
                    return
        except ConnectionError:
            # Reading ends too, but only after what has arrived: perhaps the peer's bye.
            self._outgoing_bytes = 0

    async def _tick(self) -> None:
        while (deadline := self._session.deadline) is not None:
            await asyncio.sleep(min(max(0.0, deadline - time.monotonic()), _TICK_S))
            self._dispatch(self._session.tick(time.monotonic()))
            self._flush()
