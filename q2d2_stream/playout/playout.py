"""From received messages to sound: joins jitter buffer, target delay, stretching and concealment.

One frame at a time, :meth:`Playout.pull` decides what to play::

                     end of spurt, pause in the timestamps, or 160 ms with nothing
                  .------------------------------------------------------------.
                  |                                                            v
    .----------------------------.                               .--------------------------.
    | PLAYING                    |                               | PAUSED                   |
    | next frame here: decode,   |                               | comfort noise until the  |
    |   stretch if off target    |                               | oldest frame held is due |
    | missing, later ones here:  |                               '--------------------------'
    |   conceal, go on           |                                             |
    | nothing here (underrun):   |<--------------------------------------------'
    |   conceal, wait            |       due: base + timestamp + target delay
    '----------------------------'

An underrun waits, so nothing that TCP merely holds up is lost; the delay grows meanwhile. A small
excess is stretched away afterwards. One above ``skip_ms`` is a stall: the oldest frames are
skipped, as far as the buffer then still holds the target delay.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import FRAME_SAMPLES, SAMPLE_RATE
from q2d2_stream.errors import InputError
from q2d2_stream.frames import AudioFrames
from q2d2_stream.playout.buffer import Frame, JitterBuffer, Unwrapper
from q2d2_stream.playout.clock import PullClock
from q2d2_stream.playout.delay import DelayEstimator
from q2d2_stream.playout.drift import DriftEstimator
from q2d2_stream.playout.options import PlayoutOptions
from q2d2_stream.playout.output import Output
from q2d2_stream.playout.pauses import Decoder, Pauses
from q2d2_stream.playout.report import OutsideDelays, PlayoutCounts, report
from q2d2_stream.playout.stats import DelayHistogram, PlayoutStats
from q2d2_stream.playout.stretch import BLOCK_SAMPLES, accelerate, expand
from q2d2_stream.playout.stretch_control import StretchController

__all__ = ["Decoder", "Playout"]

_FRAME_S = FRAME_SAMPLES / SAMPLE_RATE
_RANGE = 27_000  # frames either way that numbers may jump within a stream: six minutes
_MIX_SAMPLES = 120  # 5 ms from noise to speech
_MIN_PAUSE_SAMPLES = 60  # a spurt due within 2.5 ms begins at once
_LEAD_DECAY = 0.999

Pcm = NDArray[np.float32]


class Playout:
    """Receiving side of a call, without a clock and without threads.

    :meth:`put` and :meth:`pull` may be called in any order but not at the same time; both take
    ``now`` from the same monotonic clock.

    Args:
        decoder: of the sender's codec, freshly reset.
        options: see :class:`PlayoutOptions`.
    """

    def __init__(self, decoder: Decoder, options: PlayoutOptions | None = None) -> None:
        self.options = options = options or PlayoutOptions()
        self._buffer = JitterBuffer(options.capacity_frames)
        self._delay = DelayEstimator(
            _FRAME_S,
            minimum_ms=options.minimum_delay_ms,
            maximum_ms=options.maximum_delay_ms,
            start_ms=options.start_delay_ms,
        )
        self._sender_drift, self._speaker_drift = DriftEstimator(), DriftEstimator()
        self._clock = PullClock(SAMPLE_RATE)
        self._pauses = Pauses(decoder, options.seed)
        self._delays = DelayHistogram()
        self._fade_after = round(options.fade_after_ms * 1e-3 / _FRAME_S)
        self._fade_frames = max(1, round(options.fade_ms * 1e-3 / _FRAME_S))
        self._output = Output()
        self._pulled = 0
        self._lead_in: int | None = None
        self._lead_s = 0.0  # how long before it sounds a frame is asked for, at most
        self._counts = PlayoutCounts()
        self._restart_stream()

    def _restart_stream(self) -> None:
        self._seqs, self._timestamps = Unwrapper(), Unwrapper()
        self._stray: int | None = None  # where a stream that fits nowhere would go on
        self._playing = False
        self._unsent = 0  # timestamp minus sequence number: grows by every pause
        self._pauses.restart()
        self._gap = 0  # concealed frames in a row
        self._waited = 0  # of which while the buffer was empty
        self._stretch_control = StretchController()
        self._actual_s = 0.0

    def reset(self) -> None:
        """Makes ready for a sender that starts anew; keeps the counts and what is known of noise
        and jitter. Not needed when a link breaks and the same stream goes on."""
        self._buffer.clear()
        self._delay.rebase()
        self._sender_drift.reset()
        self._counts.restarts += 1
        self._restart_stream()

    # -- network side ---------------------------------------------------------------------------

    def put(self, frames: AudioFrames, now: float) -> None:
        """Takes one message's frames, at least one, that arrived at ``now`` in seconds.

        Raises:
            InputError: for indices of another shape or numbers that do not fit in 32 bits.
        """
        indices = frames.indices
        if indices.ndim != 2 or not len(indices) or indices.dtype != np.uint8:
            raise InputError(
                f"indices are {indices.dtype} of shape {indices.shape}, "
                "expected uint8 of shape (frames, pairs)"
            )
        if not self._in_stream(frames.sequence, len(indices)):
            return
        if frames.is_copy:
            self._put_copy(frames, now)
            return
        first = self._seqs.unwrap(frames.sequence)
        sent = self._timestamps.unwrap(frames.timestamp)
        last = len(indices) - 1
        if not frames.dtx:  # a keep-alive is late by the sender's pre-roll, which is no jitter
            self._delay.put(sent + last, len(indices), now, frames.start)
            self._sender_drift.put((sent + last) * _FRAME_S, now)
            self._delay.skew = -1e-6 * self._sender_drift.ppm
        for index, frame in enumerate(indices):
            ends = frames.end and index == last
            self._buffer.put(first + index, sent + index, frame, now, ends, frames.dtx)

    def _put_copy(self, frames: AudioFrames, now: float) -> None:
        first, sent = self._seqs.peek(frames.sequence), self._timestamps.peek(frames.timestamp)
        missing = [
            self._buffer.put(first + index, sent + index, frame, now, is_copy=True)
            for index, frame in enumerate(frames.indices)
        ]
        if any(missing):
            self._delay.repaired(len(missing), now)

    def _in_stream(self, seq: int, frames: int) -> bool:
        """Whether ``seq`` goes on with the stream; two that agree elsewhere begin a new one."""
        expected = self._buffer.next_seq
        if expected is None and not len(self._buffer):
            return True
        at = self._seqs.peek(seq)
        if abs(at - (at if expected is None else expected)) <= _RANGE:
            self._stray = None
            return True
        if self._stray is not None and 0 <= at - self._stray <= _RANGE:
            self.reset()
            return True
        self._stray = at + frames
        self._counts.out_of_range += frames
        return False

    # -- speaker side ---------------------------------------------------------------------------

    def pull(self, now: float, samples: int) -> Pcm:
        """The next ``samples`` of sound, float32, shape ``(samples,)``, for playing at ``now``."""
        time = self._clock.pull(now, samples)
        self._speaker_drift.put(self._pulled / SAMPLE_RATE, now)
        while len(self._output) < samples:
            self._lead_s = max(len(self._output) / SAMPLE_RATE, self._lead_s * _LEAD_DECAY)
            self._step(time + len(self._output) / SAMPLE_RATE)
        self._pulled += samples
        return self._output.pull(samples)

    @property
    def target_delay_s(self) -> float:
        """The delay to play at, in seconds: packetisation, jitter and the speaker's blocks."""
        return self._delay.target_s + self._lead_s

    def _step(self, time: float) -> None:
        """Emits the next piece of sound, which begins at ``time``."""
        if not self._playing and not self._resume(time):
            return
        self._skip_stall(time)
        while True:
            frame = self._buffer.peek()
            if frame is not None:
                break
            if not len(self._buffer):
                self._counts.underruns += self._waited == 0
                self._waited += 1
                self._conceal()
                return
            # Lost, unless an underrun has already stood in for it.
            excess = self._delay.delay_s(self._timestamp(), time) - self.target_delay_s
            covered = self._waited > 0 and excess > 0
            self._buffer.advance(self._next_seq() + 1)
            if not covered:
                self._conceal()
                return
            self._waited -= 1
        if frame.dtx or frame.timestamp_frames > self._timestamp():
            self._pause(tail=True)
            self._step(time)
            return
        self._play(frame, time)

    def _next_seq(self) -> int:
        assert self._buffer.next_seq is not None
        return self._buffer.next_seq

    def _timestamp(self) -> int:
        return self._next_seq() + self._unsent

    # -- pauses ---------------------------------------------------------------------------------

    def _pause(self, *, tail: bool) -> None:
        self._playing = False
        self._pauses.begin(tail=tail)
        self._gap = self._waited = 0
        self._stretch_control.stop()

    def _resume(self, time: float) -> bool:
        """Begins to play if it is time; otherwise emits a piece of the pause."""
        while True:
            first = self._buffer.first()
            if first is None:
                self._output.put(self._pauses.generate(FRAME_SAMPLES))
                return False
            delay = self._delay.delay_s(first.timestamp_frames, time)
            samples = round((self.target_delay_s - delay) * SAMPLE_RATE)
            if samples >= _MIN_PAUSE_SAMPLES:
                self._output.put(self._pauses.generate(min(samples, FRAME_SAMPLES)))
                return False
            self._buffer.advance(first.seq)
            self._unsent = first.timestamp_frames - first.seq
            if not first.dtx:
                break
            self._buffer.take()
            self._counts.keepalives += 1
        self._playing = True
        self._pauses.end()
        return True

    # -- losses ---------------------------------------------------------------------------------

    def _conceal(self) -> None:
        self._gap += 1
        over = self._gap - self._fade_after
        goal = min(self._pauses.gain, min(max(1.0 - over / self._fade_frames, 0.0), 1.0))
        self._counts.concealed += 1
        self._output.put(self._pauses.fade(self._pauses.decode(None), goal, FRAME_SAMPLES))
        if goal == 0.0:
            self._pause(tail=False)

    def _skip_stall(self, time: float) -> None:
        """Drops the oldest frames when the delay is far off and the buffer holds plenty."""
        target = self.target_delay_s
        excess = self._delay.delay_s(self._timestamp(), time) - target
        if excess <= self.options.skip_ms * 1e-3:
            return
        spare = self._buffer.span_frames - math.ceil(target / _FRAME_S)
        frames = min(math.floor(excess / _FRAME_S), spare)
        if frames > 0:
            self._buffer.advance(self._next_seq() + frames)
            self._waited = 0

    # -- frames ---------------------------------------------------------------------------------

    def _play(self, frame: Frame, time: float) -> None:
        if self._lead_in is None:
            self._lead_in = self._pulled + len(self._output)
        self._actual_s = self._delay.delay_s(frame.timestamp_frames, time)
        self._delays.add(self._actual_s)
        self._gap = self._waited = 0
        pcm, quiet = self._take()
        if self._pauses.gain < 1.0:
            pcm = self._pauses.fade(pcm, 1.0, _MIX_SAMPLES)
        elif self.options.stretch and self._playing:
            pcm = self._stretched(pcm, quiet)
        self._output.put(pcm)

    def _take(self) -> tuple[Pcm, bool]:
        frame = self._buffer.take()
        self._unsent = frame.timestamp_frames - frame.seq
        pcm = self._pauses.decode(frame.indices, frame.timestamp_frames)
        self._counts.played += 1
        if frame.end:
            self._pause(tail=True)
        return pcm, self._pauses.observe(pcm)

    def _stretched(self, pcm: Pcm, quiet: bool) -> Pcm:
        """``pcm``, a period shorter or longer if the delay has left its band."""
        target = self.target_delay_s
        # A sender that falls behind real time makes everything late: only what is held is delay.
        held_s = (1 + self._buffer.span_frames) * _FRAME_S
        excess = min(self._actual_s - target, held_s)
        direction = self._stretch_control.direction(excess, target, FRAME_SAMPLES)
        if not direction:
            return pcm
        before = len(pcm)
        if direction > 0:
            after = expand(self._output.history, pcm, quiet=quiet)
            self._counts.expanded += len(after) - before
        else:
            following = self._buffer.peek()
            # Taking the second frame early must not empty the buffer.
            if following is None or following.dtx or self._buffer.peek(1) is None:
                return pcm
            if following.timestamp_frames != self._timestamp():
                return pcm
            second, second_quiet = self._take()
            both = np.concatenate((pcm, second))
            assert len(both) == BLOCK_SAMPLES
            quiet = quiet and second_quiet
            before = len(both)
            after = accelerate(both, quiet=quiet)
            self._counts.accelerated += before - len(after)
        self._stretch_control.stretched(abs(len(after) - before), quiet=quiet)
        return after

    # -- report ---------------------------------------------------------------------------------

    @property
    def played(self) -> int:
        """Frames decoded as they were received."""
        return self._counts.played

    @property
    def is_empty(self) -> bool:
        """Whether no frame waits to be played, and nothing of the last one is to come."""
        return not len(self._buffer) and not self._pauses.has_tail

    def progress(self) -> tuple[float, float, int]:
        """Target and actual delay in milliseconds and concealed frames: cheap, for a live plot."""
        return 1e3 * self.target_delay_s, 1e3 * self._actual_s, self._counts.concealed

    def stats(
        self,
        *,
        network_ms: float = 0.0,
        device_ms: float = 0.0,
        processing_ms: float = 0.0,
    ) -> PlayoutStats:
        """What happened so far.

        Args:
            network_ms: one-way delay of the network, half of the least round trip.
            device_ms: latency of the sound devices.
            processing_ms: delay of the voice processing at the speaking end.
        """
        codec_ms = 1e3 * (FRAME_SAMPLES + self._pauses.delay_samples) / SAMPLE_RATE
        outside = OutsideDelays(network_ms, device_ms, processing_ms, codec_ms)
        return report(
            self._counts,
            self._buffer,
            self._delay,
            self._delays,
            outside,
            noise_samples=self._pauses.noise_samples,
            target_s=self.target_delay_s,
            actual_s=self._actual_s,
            drift_ppm=self._sender_drift.ppm - self._speaker_drift.ppm,
            lead_in_samples=self._lead_in,
        )
