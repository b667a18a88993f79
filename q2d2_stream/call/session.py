"""One side of a call: sound, codec and the connections that come and go, joined."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence

from q2d2_stream.audio import Sink, Source, VoiceProcessor
from q2d2_stream.call.connection import Connection
from q2d2_stream.call.connector import Connector
from q2d2_stream.call.models import codec_of_direction
from q2d2_stream.call.notices import PeerNotices
from q2d2_stream.call.options import CallOptions
from q2d2_stream.call.receiver import Receiver
from q2d2_stream.call.sound_call import SoundCall
from q2d2_stream.call.stats import CallState, CallStats
from q2d2_stream.engine import Codec
from q2d2_stream.files.recorder import Recorder
from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import (
    SILENT_S,
    Call,
    Closed,
    Echo,
    Event,
    Mute,
    Reason,
    ReceiverReport,
    Text,
)

__all__ = ["CallSession"]

_REPORT_SLOW_FACTOR = 5


class CallSession(SoundCall[Connection, Closed]):
    """Holds one call.

    Args:
        codec: of both directions, or several: those that the connector's endpoint offers, in the
            same order.
        line: brings connections.
        source: what this side says; not started.
        sink: where the peer is heard; not started.
        options: the user's wishes.
        processor: cleans the microphone, and is closed at the end; or None.
        recorder: keeps both sides, or None.
        notify: called with a sentence when something happens that a user should know.
        on_note: called with the text of a note from the peer; None: ``notify`` is.
        begun_s: since when the user has been waiting for the first sound, on the clock of
            ``time.monotonic``; None for since the call is established.

    Attributes:
        established: set when the first connection is there.

    Raises what :class:`q2d2_stream.call.sender.Sender` does.
    """

    def __init__(
        self,
        codec: Codec | Sequence[Codec],
        line: Connector,
        source: Source,
        sink: Sink,
        options: CallOptions | None = None,
        *,
        processor: VoiceProcessor | None = None,
        recorder: Recorder | None = None,
        notify: Callable[[str], None] | None = None,
        on_note: Callable[[str], None] | None = None,
        begun_s: float | None = None,
    ) -> None:
        super().__init__(codec, source, sink, options, processor, recorder, notify, begun_s)
        self._connector = line
        self._receiver: Receiver = Receiver(
            self._codecs[0], sink, self._thread, self._options, processor, recorder
        )
        self._notices = PeerNotices(self._notify, time.monotonic(), on_note)
        self._call: Call | None = None
        self._peer = ""

    def send_text(self, text: str) -> bool:
        """Send a note of at most 1000 bytes; False when there is nobody to read it."""
        return self._connection is not None and self._connection.send(Text(text))

    def stats(self) -> CallStats:
        """What is known now."""
        return self._stats(self._peer, peer_muted=self._notices.muted)

    async def _open(self) -> Connection | Closed:
        return await self._connector.open()

    async def _reopen(self, end: Closed) -> Connection | Closed:
        if end.reason is not Reason.TAKEN_OVER:
            self._notify(f"{end.text}: the call is held for {self._connector.hold_s:g} s")
        assert self._call is not None
        return await self._connector.reopen(self._call)

    async def _until_over(self, connection: Connection) -> Closed:
        return await asyncio.shield(connection.closed)

    def _may_return(self, end: Closed) -> bool:
        if end.by_peer:
            return end.reason is Reason.TIMEOUT
        return end.reason in (Reason.LOST, Reason.TIMEOUT, Reason.TAKEN_OVER)

    def _is_heard_out(self, end: Closed) -> bool:
        return end.by_peer or self._sender.has_ended

    def _hung_up(self) -> Closed:
        return Closed(Reason.ENDED, "this side hung up", by_peer=False)

    def _closed(self, end: Closed) -> Closed:
        return end

    def _duties(self) -> list[Coroutine[None, None, None]]:
        return [self._tell()]

    async def _tell(self) -> None:
        """Report to the peer what is heard of it."""
        while True:
            await asyncio.sleep(self._report_s())
            if self._options.push_to_talk:
                continue
            if self._connection is not None and self._call is not None:
                highest = self._call.window.highest or 0
                received = self._traffic.counters.received_frames
                self._connection.send_report(self._receiver.report(highest, received))

    def _report_s(self) -> float:
        # A line of known speed is slow, and needs reports only for the display.
        is_slow = self._connection is not None and self._connection.link.capacity_bps is not None
        return _REPORT_SLOW_FACTOR * self._options.report_s if is_slow else self._options.report_s

    def _look(self) -> None:
        """Tell the user when nothing is heard of the peer, and when it is heard again."""
        if self._connection is None or self._options.push_to_talk:
            return
        silent = self._connection.silent_s() >= SILENT_S
        if silent and self._state is CallState.TALKING:
            self._state = CallState.SILENT
            self._notify(
                f"nothing heard from {self._peer} for {SILENT_S:g} s: the call is held for "
                f"{self._connector.hold_s:g} s"
            )
        elif not silent and self._state is CallState.SILENT:
            self._state = CallState.TALKING
            self._notify(f"{self._peer} is heard again")

    def _attach(self, connection: Connection) -> str:
        established = connection.established.result()
        is_first = self._call is None
        is_other = self._call is not established.call
        self._call = established.call
        self._peer = connection.remote
        codec = codec_of_direction(self._codecs, established.receiving)
        goes_on = is_first or (established.resumed and not is_other)
        if not goes_on or codec is not self._receiver.codec:
            self._receiver.restart(codec)
        self._sender.attach(connection, established.call)
        connection.attach(self._on_event)
        what = "connected" if is_first else "reconnected"
        who = "authenticated" if established.authenticated else "but the peer is not authenticated"
        return f"{what} to {connection.remote}, encrypted, {who}"

    def _on_event(self, event: Event, now: float) -> None:
        if isinstance(event, AudioFrames):
            self._receiver.put(event, now)
        elif isinstance(event, ReceiverReport):
            self._sender.on_report(event)
        elif isinstance(event, Echo):
            self._sender.on_echo(event, now)
        elif isinstance(event, Mute):
            self._notices.mute(event.muted, now)
        elif isinstance(event, Text):
            self._notices.note(event.text, now)
