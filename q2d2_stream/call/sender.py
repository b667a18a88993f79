"""From the microphone to the connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from q2d2_stream.audio import (
    FRAME_SAMPLES,
    DeviceSource,
    LevelMeter,
    Mute,
    Pcm,
    Source,
    VoiceProcessor,
)
from q2d2_stream.call.audio_connection import AudioConnection
from q2d2_stream.call.codec_thread import CodecThread
from q2d2_stream.call.models import codec_of_direction, rate_like
from q2d2_stream.call.options import CallOptions
from q2d2_stream.engine import Codec
from q2d2_stream.files.recorder import Recorder
from q2d2_stream.frames import AudioFrames
from q2d2_stream.packet import MAX_PACKET_FRAMES, PacketCoder
from q2d2_stream.protocol import Call, Direction, Echo, ReceiverReport
from q2d2_stream.protocol import Mute as MuteMessage
from q2d2_stream.sending import (
    Dtx,
    DtxOptions,
    Link,
    RateController,
    SendPlan,
    SendQueue,
    SendState,
    SpurtFrame,
    VoiceDetector,
)

__all__ = ["Sender"]

# Two, so that a backlog goes out at twice the speed it came in, and not in one burst.
_MESSAGES_PER_FRAME = 2
_DRAIN_S = 3.0
_LAG_SHARE = 0.05
_NEVER = 1 << 31


class Sender:
    """Reads the source, encodes, and sends at the pace that the link allows.

    ```
    RateController --plan--.
    source --> processor --> mute --> encoder --> Dtx --> SendQueue --> packets --> connection
               `------------------ codec thread --------------------------------'
    ```

    A live microphone is read before the call too, so that its level can be seen and no old sound
    waits in it; a file begins with the call. While no connection is there the queue keeps the
    newest half second.

    Args:
        codecs: encode; the first is the one that ``options.rate`` is of.
        source: started.
        thread: for the codec.
        options: the user's wishes.
        processor: cleans the microphone, or None.
        recorder: keeps what is said, or None.

    Raises MissingExtra for DTX without its detector.
    """

    def __init__(
        self,
        codecs: Sequence[Codec],
        source: Source,
        thread: CodecThread,
        options: CallOptions,
        processor: VoiceProcessor | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.meter = LevelMeter()
        self.mute = Mute()
        self.has_ended = False
        self.report: ReceiverReport | None = None
        self._codecs = codecs
        self._codec = codec = codecs[0]
        self._source = source
        self._thread = thread
        self._options = options
        self._processor = processor
        self._recorder = recorder
        self._encoder = codec.encoder(codec.config.ladder[options.rate])
        self._detector: VoiceDetector | None = None
        if options.dtx:
            from q2d2_stream.audio.voice_detector import WebRtcVoiceDetector

            self._detector = WebRtcVoiceDetector()
        dtx_options = DtxOptions() if options.dtx else None
        if options.push_to_talk:
            # The key says when there is a voice, and nothing is sent otherwise.
            dtx_options = DtxOptions(preroll_frames=0, hangover_frames=1, keepalive_frames=_NEVER)
            self.mute.on = True
        self._dtx = Dtx(dtx_options)
        self._call: Call | None = None
        self._queue: SendQueue | None = None
        self._coding: tuple[tuple[int, ...], bool] | None = None  # rates, whether entropy coded
        self._connection: AudioConnection | None = None
        # One for each way that audio goes by: what is known of a link is kept.
        self._rate_controls: dict[Link, RateController] = {}
        self._rate_control: RateController | None = None
        self._link: Link | None = None
        self._wanted = options.rate
        self._begun = asyncio.Event()
        self._frames_per_message = 0

    @property
    def rate(self) -> int:
        """The rate being sent."""
        return self._encoder.rate.index

    @property
    def rate_kbps(self) -> float:
        """What that is in kilobits per second."""
        return self._encoder.rate.kbps

    @property
    def frames_per_message(self) -> int:
        """Frames per message being sent; 0 before the call."""
        return self._frames_per_message

    @property
    def step(self) -> int:
        """Steps that the rate_control has gone down."""
        return self._rate_control.step if self._rate_control is not None else 0

    @property
    def queued_frames(self) -> int:
        """Frames that wait to be sent."""
        return len(self._queue) if self._queue is not None else 0

    @property
    def dropped_frames(self) -> int:
        """Frames dropped because the link was too slow or broken."""
        return self._queue.dropped if self._queue is not None else 0

    def attach(self, connection: AudioConnection, call: Call) -> None:
        """Send over ``connection`` from now on."""
        sending = connection.sending
        codec = codec_of_direction(self._codecs, sending)
        if codec is not self._codec:
            self._codec, self._coding = codec, None  # what waits is of the other model
            self._encoder = codec.encoder()
        if self._call is not call:
            self._call, self._coding = call, None
        self._follow(sending, call)
        self._wanted = rate_like(self._options.rate, self._codecs[0], codec)
        self._rate_controls.clear()
        self._link = None
        self._rate_control = self._control_of(connection)
        self._frames_per_message = connection.frames_per_message
        rate = max(
            (rate for rate in sending.rates if rate <= self._wanted), default=sending.rates[0]
        )
        self._encoder.rate = self._codec.config.ladder[rate]
        self.report = None
        self._connection = connection
        if self.mute.on and not self._options.push_to_talk:
            connection.send(MuteMessage(True))
        self._begun.set()

    def _follow(self, sending: Direction, call: Call) -> None:
        """Code what is sent as all who hear it can read it: in a room that changes with who comes
        and goes. What waits is dropped, as it is not so."""
        coding = sending.rates, sending.coder is not None
        if coding == self._coding:
            return
        self._coding = coding
        self._encoder.coded_refinement = sending.coder is not None
        self._queue = SendQueue(call, PacketCoder(self._codec.config, sending.coder))
        self._rate_controls.clear()

    def on_echo(self, echo: Echo, now: float) -> None:
        """The peer has what was sent."""
        for control in self._rate_controls.values():
            control.echo(echo.sequence, echo.held_s, now)

    def on_report(self, report: ReceiverReport) -> None:
        """What the peer hears."""
        self.report = report
        for control in self._rate_controls.values():
            control.report(report, self.dropped_frames)

    def on_lag(self, share: float, now: float) -> None:
        """Some of those whom a relay hands audio on to lose ``share`` of it."""
        if share >= _LAG_SHARE:
            for control in self._rate_controls.values():
                control.spare_receivers(now)

    def on_receivers_loss(self, share: float, now: float) -> None:
        """Some of those whom a relay hands audio on to miss ``share`` of it."""
        for control in self._rate_controls.values():
            control.repeat_for_receivers(share, now)

    def on_loss(self, share: float) -> None:
        """``share`` of what went by the way that is in use did not arrive."""
        if self._rate_control is not None:
            self._rate_control.lost(share)

    def _control_of(self, connection: AudioConnection) -> RateController:
        """What decides about the way that audio goes now."""
        link = connection.link
        control = self._rate_controls.get(link)
        if control is None:
            sending = connection.sending
            max_kbps = self._options.max_kbps
            control = self._rate_controls[link] = RateController(
                self._codec.config,
                sending.rates,
                self._wanted,
                connection.frames_per_message,
                link,
                sending.coder,
                max_bps=None if max_kbps is None else 1000 * max_kbps,
                start_bps=connection.carried_bps(),
            )
        elif link != self._link:
            control.resume()
        self._link = link
        return control

    def detach(self) -> None:
        """The connection is gone; another may come."""
        self._connection = None

    def set_mute(self, muted: bool) -> None:
        """Mute or unmute the microphone, and tell the peer."""
        self.mute.on = muted
        if self._connection is not None and not self._options.push_to_talk:
            self._connection.send(MuteMessage(muted))

    async def run(self) -> None:
        """Until the source ends and all of it is sent."""
        if not isinstance(self._source, DeviceSource):
            await self._begun.wait()
        while (pcm := await self._source.read()) is not None:
            await self._step(pcm, last=False)
        # The decoder trails by a frame or two: as many more let it say the last word.
        silence = np.zeros(FRAME_SAMPLES, np.float32)
        for left in reversed(range(self._encoder.rate.lookahead // FRAME_SAMPLES)):
            await self._step(silence, last=left == 0)
        await self._drain()
        self.has_ended = True

    async def _step(self, pcm: Pcm, *, last: bool) -> None:
        plan = self._plan()
        queue = self._queue
        messages = await self._thread.run(self._work, pcm, queue, plan, last)
        self._send(messages, queue, plan)

    def _work(
        self, pcm: Pcm, queue: SendQueue | None, plan: SendPlan | None, last: bool
    ) -> list[AudioFrames]:
        """All that a frame needs on its way out but for sealing it; on the codec's thread."""
        pcm = self._hear(pcm)
        if queue is None:
            return []
        frames = self._encode(pcm)
        if last and frames:
            frames[-1] = replace(frames[-1], end=True)
        for frame in frames:
            queue.push(frame)
        return self._take(queue, plan)

    def _hear(self, pcm: Pcm) -> Pcm:
        if self._processor is not None:
            pcm = self._processor.near(pcm)
        pcm = self.mute.apply(pcm)
        self.meter.push(pcm)
        return pcm

    def _encode(self, pcm: Pcm) -> list[SpurtFrame]:
        if self._recorder is not None:
            self._recorder.near(pcm)
        voiced = self._detector is None or self._detector.is_voice(pcm)
        if self._options.push_to_talk:
            voiced = voiced and not self.mute.on
        self._encoder.seek(self._dtx.timestamp)
        return self._dtx.push(self._encoder.push(np.clip(pcm, -1.0, 1.0))[0], voiced)

    def _take(self, queue: SendQueue, plan: SendPlan | None) -> list[AudioFrames]:
        """The messages that may go now."""
        messages: list[AudioFrames] = []
        while plan is not None and plan.may_send and len(messages) < _MESSAGES_PER_FRAME:
            # What has had to wait goes together: fewer headers for a link that was busy.
            message = queue.take(max(plan.frames_per_message, min(len(queue), MAX_PACKET_FRAMES)))
            if message is None:
                break
            messages.append(message)
        return messages

    def _plan(self) -> SendPlan | None:
        """What the link allows now; None where there is none."""
        connection, call = self._connection, self._call
        if connection is None or call is None:
            return None
        self._follow(connection.sending, call)
        queue = self._queue
        assert queue is not None
        control = self._rate_control = self._control_of(connection)
        state = SendState(
            unsent_frames=len(queue),
            dropped_frames=queue.dropped,
            buffered_bytes=connection.buffered_bytes(),
            sent_bits=8 * connection.sent.wire_bytes,
            received_messages=connection.received_messages,
        )
        now = time.monotonic()
        plan = control.update(state, now)
        queue.drop_oldest(plan.drop_frames)
        self._encoder.rate = self._codec.config.ladder[plan.rate]
        self._frames_per_message = plan.frames_per_message
        if plan.is_stalled and control.doubts_path(now):
            connection.doubt_datagrams(is_thin=control.step > 0)
        return plan

    def _send(
        self, messages: list[AudioFrames], queue: SendQueue | None, plan: SendPlan | None
    ) -> None:
        connection, control = self._connection, self._rate_control
        # Of another queue: the peer has changed meanwhile, and does not know these.
        if connection is None or control is None or plan is None or queue is not self._queue:
            return
        now = time.monotonic()
        for message in messages:
            size = connection.send_audio(message, copies=plan.copies)
            if not size:
                return
            control.sent(message.sequence, size, now)

    async def _drain(self) -> None:
        """Send what is queued, for three seconds at most."""
        queue = self._queue
        assert queue is not None
        until = time.monotonic() + _DRAIN_S
        while len(queue) and time.monotonic() < until:
            await asyncio.sleep(self._codec.config.frame_ms / 1000)
            plan = self._plan()
            self._send(await self._thread.run(self._take, queue, plan), queue, plan)
