"""What is heard, one frame after the other: decoded on the codec's thread, played by the sink."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

import numpy as np

from q2d2_stream.audio import FRAME_SAMPLES, LevelMeter, Pcm, Sink, VoiceProcessor
from q2d2_stream.call.codec_thread import CodecThread
from q2d2_stream.files.recorder import Recorder
from q2d2_stream.playout import PlayoutStats

__all__ = ["Player"]

_INBOX_MESSAGES = 1024
_STATS_FRAMES = 15  # five times per second: stats cost a third of a millisecond
_DRAIN_S = 3.0  # several times any delay, for machines that cannot keep up
# What the playout holds behind its buffer: the decoder's tail, a piece of a frame.
_AFTER_FRAMES = 3


class Player(ABC):
    """Plays what comes as the sink asks for it.

    ```
    connection --> inbox --> playout --> decoder --> sink
    `- event loop ---'  `---- codec thread ---'   `- event loop
    ```

    Args:
        sink: started.
        thread: for the codec.
        processor: hears what is played, to cancel its echo; or None.
        recorder: keeps what is heard, or None.

    Attributes:
        meter: level of what is played.
        inbox_dropped: messages dropped because the playout did not keep up.
        first_sound_s: when the first received frame was played, on ``time.monotonic``'s clock.
        stats: of the playout, some moments old.
    """

    stats: PlayoutStats

    def __init__(
        self,
        sink: Sink,
        thread: CodecThread,
        processor: VoiceProcessor | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.meter = LevelMeter()
        self.inbox_dropped = 0
        self.first_sound_s: float | None = None
        self._sink = sink
        self._thread = thread
        self._processor = processor
        self._recorder = recorder
        self._inbox: deque[Callable[[], None]] = deque()
        self._network_ms = 0.0
        self._device_ms = 0.0
        self._path_ms = 0.0
        self._pulls = 0
        self._drain_until: float | None = None
        self._after = 0

    @abstractmethod
    def _next(self, now: float, samples: int) -> Pcm:
        """The next sound; on the codec's thread."""

    @abstractmethod
    def _measure(self) -> PlayoutStats:
        """What happened so far; on the codec's thread."""

    @property
    @abstractmethod
    def _has_played(self) -> bool:
        """Whether a received frame was played."""

    @property
    def _processing_ms(self) -> float:
        """The speaker's processing is not known: what is on here is most likely on there."""
        return self._processor.delay_ms if self._processor is not None else 0.0

    def post(self, job: Callable[[], None]) -> None:
        """Let the codec's thread do ``job`` before the next sound; dropped when it is behind."""
        if len(self._inbox) >= _INBOX_MESSAGES:
            self.inbox_dropped += 1
            return
        self._inbox.append(job)

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
            if self.first_sound_s is None and self._has_played:
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

    def _pull(self, now: float) -> Pcm:
        while self._inbox:
            self._inbox.popleft()()
        pcm = self._next(now, FRAME_SAMPLES)
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
