"""What a call with one peer and a stay in a room have in common: sound in, sound out, one codec
thread, and a user who hangs up."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Generic, TypeVar

import numpy as np

from q2d2_stream.audio import Sink, Source, VoiceProcessor
from q2d2_stream.call.codec_thread import CodecThread
from q2d2_stream.call.connection import Connection
from q2d2_stream.call.hang_up import end_tasks, unless_set
from q2d2_stream.call.lag import LagMeter
from q2d2_stream.call.load import LoadWatch
from q2d2_stream.call.notices import PeerNotices
from q2d2_stream.call.options import CallOptions
from q2d2_stream.call.player import Player
from q2d2_stream.call.room_connection import RoomConnection
from q2d2_stream.call.sender import Sender
from q2d2_stream.call.stats import CallState, CallStats, MemberStats
from q2d2_stream.call.traffic import Traffic
from q2d2_stream.engine import Codec
from q2d2_stream.files.recorder import Recorder
from q2d2_stream.protocol import Closed
from q2d2_stream.rooms import RoomClosed

__all__ = ["SoundCall"]

ConnectionT = TypeVar("ConnectionT", Connection, RoomConnection)
EndT = TypeVar("EndT", Closed, RoomClosed)
T = TypeVar("T")

_WATCH_S = 0.25


class SoundCall(ABC, Generic[ConnectionT, EndT]):
    """Sound of this side goes out, that of others comes in, until somebody hangs up.

    It holds one connection after the other: those who inherit say where they come from, what
    belongs to one, and after which end another is looked for.

    Attributes:
        established: set when the first connection is there.
    """

    _receiver: Player
    _notices: PeerNotices

    def __init__(
        self,
        codec: Codec | Sequence[Codec],
        source: Source,
        sink: Sink,
        options: CallOptions | None,
        processor: VoiceProcessor | None,
        recorder: Recorder | None,
        notify: Callable[[str], None] | None,
        begun_s: float | None,
    ) -> None:
        self._codecs = (codec,) if isinstance(codec, Codec) else tuple(codec)
        self._source, self._sink = source, sink
        self._options = options = options or CallOptions()
        self._notify = notify or (lambda sentence: None)
        self._thread = CodecThread()
        self._processor = processor
        self._sender = Sender(self._codecs, source, self._thread, options, processor, recorder)
        self._traffic, self._lag, self._load = Traffic(), LagMeter(), LoadWatch()
        self._begun_s = begun_s
        self._state = CallState.WAITING
        self._connection: ConnectionT | None = None
        self._last: ConnectionT | None = None
        self._connected = asyncio.Event()
        self._hang_up, self._hurry = asyncio.Event(), asyncio.Event()
        self.established = asyncio.Event()
        self._wall_s, self._cpu_s = time.monotonic(), time.process_time()

    @property
    def was_established(self) -> bool:
        """Whether there was a connection."""
        return self._traffic.connections > 0

    @property
    def muted(self) -> bool:
        """Whether this side's microphone is off."""
        return self._sender.mute.on

    def set_mute(self, muted: bool) -> None:
        """Mute or unmute this side's microphone."""
        self._sender.set_mute(muted)

    def hang_up(self) -> None:
        """End it, or the waiting for it; :meth:`run` then returns, when what has arrived has been
        heard and the other side knows. A second call does not wait for that."""
        if self._hang_up.is_set():
            self._receiver.stop()
            self._hurry.set()
        self._hang_up.set()

    async def run(self) -> Closed:
        """From the first connection to the end.

        Returns why it ended, or why there was none. Raises DeviceError or InputError when the
        source or the sink cannot be opened.
        """
        self._lag.start()
        try:
            async with self._source, self._sink:
                return await self._run()
        finally:
            self._state = CallState.ENDED
            self._lag.stop()
            await asyncio.to_thread(self._thread.close)
            if self._processor is not None:
                await asyncio.to_thread(self._processor.close)

    @abstractmethod
    def send_text(self, text: str) -> bool:
        """Send a note of at most 1000 bytes; False when there is nobody to read it."""

    @abstractmethod
    def stats(self) -> CallStats:
        """What is known now."""

    @abstractmethod
    async def _open(self) -> ConnectionT | EndT:
        """The first connection, or why there is none."""

    @abstractmethod
    async def _reopen(self, end: EndT) -> ConnectionT | EndT:
        """Another connection after one that ended so, or why there is none."""

    @abstractmethod
    def _attach(self, connection: ConnectionT) -> str:
        """Use a connection from now on; what to tell the user."""

    @abstractmethod
    async def _until_over(self, connection: ConnectionT) -> EndT:
        """Why it has ended."""

    @abstractmethod
    def _may_return(self, end: EndT) -> bool:
        """Whether the call may go on over another connection."""

    @abstractmethod
    def _is_heard_out(self, end: EndT) -> bool:
        """Whether what has arrived is heard to its end."""

    @abstractmethod
    def _hung_up(self) -> EndT:
        """That this side has hung up."""

    @abstractmethod
    def _closed(self, end: EndT) -> Closed:
        """As :meth:`run` says it."""

    def _duties(self) -> list[Coroutine[None, None, None]]:
        """What else goes on while there is a call."""
        return []

    def _look(self) -> None:
        """Look after the connection, four times a second."""

    async def _run(self) -> Closed:
        await self._thread.run(self._warm_up)
        tasks = [asyncio.create_task(self._say())]
        try:
            opened = await self._unless_hung_up(self._open())
            if isinstance(opened, Closed | RoomClosed):
                return self._closed(opened)
            hear = asyncio.create_task(self._hear())
            tasks += [hear, asyncio.create_task(self._watch())]
            tasks += [asyncio.create_task(duty) for duty in self._duties()]
            end = await self._hold(opened)
            self._traffic.stop()
            self._state = CallState.ENDED
            self._receiver.finish()
            if self._is_heard_out(end):
                await hear
            return self._closed(end)
        finally:
            try:
                await end_tasks(tasks)
            finally:
                await self._take_leave()

    async def _hold(self, connection: ConnectionT) -> EndT:
        """Over one connection after the other, until there is no other."""
        while True:
            if self._begun_s is None:
                self._begun_s = time.monotonic()
            self._connection = self._last = connection
            self._connected.set()
            self._state = CallState.TALKING
            self._traffic.attach(connection)
            said = self._attach(connection)
            self.established.set()
            self._notify(said)
            end = await self._unless_hung_up(self._until_over(connection))
            connection.close()
            self._sender.detach()
            self._connection = None
            self._connected.clear()
            if not self._may_return(end):
                return end
            self._state = CallState.RECONNECTING
            opened = await self._unless_hung_up(self._reopen(end))
            if isinstance(opened, Closed | RoomClosed):
                return opened
            connection = opened

    async def _unless_hung_up(self, awaitable: Awaitable[T]) -> T | EndT:
        """What ``awaitable`` gives, unless this side hangs up before."""
        return await unless_set(self._hang_up, awaitable, self._hung_up())

    async def _take_leave(self) -> None:
        """Close the last connection, and wait for its last word to get through.

        An event loop that ends before takes the word along: a socket that is closed with something
        unread in it forgets what it has not sent.
        """
        if self._last is not None:
            self._last.close()
            await unless_set(self._hurry, self._last.gone.wait(), None)

    def _stats(
        self, peer: str, *, peer_muted: bool, members: tuple[MemberStats, ...] = ()
    ) -> CallStats:
        now = time.monotonic()
        traffic = self._traffic
        rtt_s = traffic.rtt_s
        near, far = self._sender, self._receiver
        return CallStats(
            state=self._state,
            seconds=traffic.seconds,
            first_sound_ms=self._first_sound_ms(),
            peer=peer,
            connections=traffic.connections,
            path=traffic.path,
            path_failures=traffic.path_failures,
            rate_kbps=near.rate_kbps,
            frames_per_message=near.frames_per_message,
            max_kbps=self._options.max_kbps,
            steps_down=near.step,
            sent=traffic.direction("sent"),
            received=traffic.direction("received"),
            rtt_ms=None if rtt_s is None else 1000 * rtt_s,
            rtt_min_ms=None if traffic.rtt_min_s is None else 1000 * traffic.rtt_min_s,
            unsent_frames=near.queued_frames,
            dropped_frames=near.dropped_frames,
            inbox_dropped=far.inbox_dropped,
            muted=near.mute.on,
            peer_muted=peer_muted,
            notices_dropped=self._notices.dropped,
            near_rms_db=near.meter.rms_db,
            near_peak_db=near.meter.peak_db,
            far_rms_db=far.meter.rms_db,
            far_peak_db=far.meter.peak_db,
            playout=far.stats,
            peer_report=near.report,
            counters=traffic.counters,
            source=self._source.stats,
            sink=self._sink.stats,
            loop_lag_p99_ms=self._lag.quantile_ms(0.99),
            loop_lag_max_ms=self._lag.worst_ms,
            codec_share=self._load.share,
            cpu_share=(time.process_time() - self._cpu_s) / max(1e-3, now - self._wall_s),
            members=members,
        )

    def _first_sound_ms(self) -> float | None:
        if self._begun_s is None or self._receiver.first_sound_s is None:
            return None
        return 1000 * (self._receiver.first_sound_s - self._begun_s)

    def _warm_up(self) -> None:
        """Run both models once: the first frame costs several times what the others do."""
        for codec in self._codecs:
            frame = codec.encoder().push(np.zeros(codec.config.hop, np.float32))
            codec.decoder().push(frame)

    async def _say(self) -> None:
        try:
            await self._sender.run()
            if self._options.hangup_at_end:
                await asyncio.sleep(self._options.linger_s)
                # Others who are gone before they have heard all may come back yet: if they do not,
                # the call was lost, and has not ended.
                await self._connected.wait()
                self.hang_up()
        except Exception:
            self.hang_up()
            raise

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_S)
            now = time.monotonic()
            self._notices.tick(now)
            self._set_delays()
            if self._load.update(self._thread.busy_s, now):
                self._notify(
                    "this machine is slower than real time: the codec is busy "
                    f"{100 * self._load.share:.0f} % of the time and sound is lost; end other "
                    "programs, or take --precision int8"
                )
            self._look()

    async def _hear(self) -> None:
        try:
            await self._receiver.run()
        except Exception:
            self.hang_up()
            raise

    def _set_delays(self) -> None:
        least_s = self._traffic.rtt_min_s if self._traffic.rtt_s is not None else None
        self._receiver.set_delays(
            network_ms=500 * least_s if least_s is not None else 0.0,
            source_ms=self._source.latency_ms,
            sink_ms=self._sink.latency_ms,
        )
