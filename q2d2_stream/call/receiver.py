"""From the connection to the loudspeaker."""

from __future__ import annotations

import time
from collections import deque

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.audio import FRAME_SAMPLES, LevelMeter, Pcm, Sink, VoiceProcessor
from q2d2_stream.call.codec_thread import CodecThread
from q2d2_stream.call.options import CallOptions
from q2d2_stream.engine import Codec
from q2d2_stream.files.recorder import Recorder
from q2d2_stream.frames import AudioFrames
from q2d2_stream.playout import Playout, PlayoutStats
from q2d2_stream.protocol import ReceiverReport
from q2d2_stream.protocol.sequence import distance

__all__ = ["Receiver"]

_INBOX_MESSAGES = 1024
_STATS_FRAMES = 15  # five times per second: stats cost a third of a millisecond
_DRAIN_S = 3.0  # several times any delay, for machines that cannot keep up
_AFTER_FRAMES = (
    3  # what the playout holds behind its buffer: the decoder's tail, a piece of a frame
)


class Receiver:
    """Takes received frames and plays them as the sink asks for them.

    ```
    connection --> inbox --> Playout --> decoder --> sink
    `- event loop ---'  `---- codec thread ---'   `- event loop
    ```

    Args:
        codec: decodes.
        sink: started.
        thread: for the codec.
        options: the user's wishes.
        processor: hears what is played, to cancel its echo; or None.
        recorder: keeps what is heard, or None.
    """

    def __init__(
        self,
        codec: Codec,
        sink: Sink,
        thread: CodecThread,
        options: CallOptions,
        processor: VoiceProcessor | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.meter = LevelMeter()
        self.codec = codec
        self.inbox_dropped = 0
        self.first_sound_s: float | None = None
        self._sink = sink
        self._thread = thread
        self._processor = processor
        self._recorder = recorder
        self._decoder = _SwitchingDecoder(codec)
        self._playout = Playout(self._decoder, options.playout)
        self._inbox: deque[tuple[AudioFrames | Codec, float]] = deque()
        self._network_ms = 0.0
        self._device_ms = 0.0
        self._path_ms = 0.0
        self._pulls = 0
        self._drain_until: float | None = None
        self._after = 0
        self._last: tuple[int, int] | None = None  # frames received, highest sequence number
        self.stats = self._playout.stats()

    def put(self, frames: AudioFrames, now: float) -> None:
        """Frames have come at ``now``."""
        if len(self._inbox) >= _INBOX_MESSAGES:
            self.inbox_dropped += 1
            return
        self._inbox.append((frames, now))

    def restart(self, codec: Codec) -> None:
        """The frames that come next are of another stream, which ``codec`` decodes: the peer was
        started anew, or uses another model."""
        self.codec = codec
        self._inbox.append((codec, 0.0))

    def set_delays(self, *, network_ms: float, source_ms: float, sink_ms: float) -> None:
        """Tell what is known of the delays outside of the playout."""
        self._network_ms = network_ms
        self._device_ms = source_ms + sink_ms
        self._path_ms = source_ms + sink_ms

    def finish(self) -> None:
        """Play what is buffered, for 3 seconds at most, then let :meth:`run` end."""
        if self._drain_until is None:
            self._drain_until = time.monotonic() + _DRAIN_S

    def stop(self) -> None:
        """Let :meth:`run` end now, whatever is buffered."""
        self._drain_until = time.monotonic()

    async def run(self) -> None:
        """Play until :meth:`finish` or :meth:`stop`."""
        while not self._is_drained():
            await self._sink.ready()
            pcm = await self._thread.run(self._pull, time.monotonic())
            self._sink.write(pcm)
            if self.first_sound_s is None and self._playout.played:
                self.first_sound_s = time.monotonic()

    def _is_drained(self) -> bool:
        if self._drain_until is None:
            return False
        if time.monotonic() >= self._drain_until:
            return True
        if self._inbox or self.stats.buffered_frames:
            self._after = 0
        else:
            self._after += 1
        return self._after > _AFTER_FRAMES

    def report(self, sequence: int, received: int) -> ReceiverReport:
        """What to tell the peer.

        Args:
            sequence: highest sequence number received.
            received: frames received since the call began.
        """
        stats = self.stats
        expected = distance(self._last[1], sequence) if self._last is not None else 0
        new_received = received - self._last[0] if self._last is not None else 0
        self._last = received, sequence
        return ReceiverReport(
            sequence=sequence,
            received=received & 0xFFFFFFFF,
            lost=stats.lost & 0xFFFFFFFF,
            loss=max(0.0, 1 - new_received / expected) if expected > 0 else 0.0,
            jitter_ms=stats.jitter_ms,
            delay_ms=stats.actual_delay_ms,
            drift_ppm=stats.drift_ppm,
        )

    def _pull(self, now: float) -> Pcm:
        while self._inbox:
            frames, arrival = self._inbox.popleft()
            if not isinstance(frames, AudioFrames):
                self._decoder.use(frames)
                self._playout.reset()
                continue
            self._playout.put(frames, arrival)
        pcm = self._playout.pull(now, FRAME_SAMPLES)
        self.meter.push(pcm)
        if self._processor is not None:
            self._processor.set_path_ms(self._path_ms)
            self._processor.far(pcm)
        if self._recorder is not None:
            self._recorder.far(pcm)
        self._pulls += 1
        if self._pulls % _STATS_FRAMES == 0 or self._drain_until is not None:
            self.stats = self._measure()
        return np.ascontiguousarray(pcm)

    def _measure(self) -> PlayoutStats:
        # The peer's processing is not known: what is on here is most likely on there.
        return self._playout.stats(
            network_ms=self._network_ms,
            device_ms=self._device_ms,
            processing_ms=self._processor.delay_ms if self._processor is not None else 0.0,
        )


class _SwitchingDecoder:
    """A decoder for the playout, of whichever model the peer uses."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._decoder = codec.decoder()

    def use(self, codec: Codec) -> None:
        """Decode with ``codec`` from now on."""
        if codec is not self._codec:
            self._codec, self._decoder = codec, codec.decoder()

    def push(self, indices: NDArray[np.uint8] | None) -> Pcm:
        """Decode one frame, or conceal a lost one (None)."""
        return self._decoder.push(indices)

    def seek(self, number: int) -> None:
        """Say which of the sender's frames comes next."""
        self._decoder.seek(number)

    def reset(self) -> None:
        """Forget the past."""
        self._decoder.reset()
