"""The sender's controller: what the link carries decides frames per message and rate.

Three remedies, in this order: drop the oldest unsent frames, put more frames into a message
(fewer headers), lower the rate. The way back is slow, and slower after every failed attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from q2d2_stream.config import CodecConfig
from q2d2_stream.entropy import IndexCoder
from q2d2_stream.errors import InputError
from q2d2_stream.packet import MAX_PACKET_FRAMES
from q2d2_stream.packing import packed_bytes
from q2d2_stream.protocol.messages import ReceiverReport
from q2d2_stream.protocol.sealing import AUDIO_OVERHEAD_BYTES
from q2d2_stream.sending.overhead import Link

__all__ = ["RateController", "SendPlan", "SendState"]

# What an audio message has around its indices: counter and tag, flags, TOC.
_AUDIO_BYTES = AUDIO_OVERHEAD_BYTES + 2
# Frames per message on the way down; each step saves at least a fifth of the headers.
_FRAMES_LADDER = (1, 2, 3, 4, 6, 8)
# A backlog that is more than a message's own length; above the second, frames are dropped until
# as few are left as the first allows.
_BACKLOG_MS = 100.0
_DROP_ABOVE_MS = 240.0
# Round trip above its minimum that means a filling buffer, and below which the link is clear.
# Wi-Fi and a busy event loop make some 50 ms of noise.
_RTT_HIGH_S = 0.2
_RTT_CLEAR_S = 0.1
# A ping that waits longer than this beyond the minimum: the link stalls, sending more only fills
# buffers from which nothing can be dropped.
_STALLED_S = 0.4
_RTT_MEMORY_S = 30.0
# What TCP assumes before the first measure (RFC 6298).
_RTT_UNKNOWN_S = 1.0
_LOSS_HIGH = 0.02
# Dropping deals with shorter trouble; only what lasts this long costs a step.
_PATIENCE_S = 0.5
_STEP_DOWN_S = 1.0
_CLIMB_AFTER_S = 8.0
_CLIMB_AFTER_MAX_S = 64.0
# A step down this soon after a climb says that the climb was too early.
_CLIMB_FAILED_S = 16.0
# After so long without a failed climb the link may have changed: the wait is short again.
_FORGIVEN_S = 240.0


@dataclass(frozen=True)
class SendState:
    """What the sender sees of the link.

    Attributes:
        unsent_frames: frames in the send queue.
        dropped_frames: frames that the send queue has dropped since the call began.
        buffered_bytes: bytes given to the websocket that the system has not taken.
        rtt_s: latest round-trip time; None before the first.
        unanswered_s: age of the oldest ping without an answer, 0 when there is none.
        report: the peer's latest report; None before the first.
    """

    unsent_frames: int
    dropped_frames: int = 0
    buffered_bytes: int = 0
    rtt_s: float | None = None
    unanswered_s: float = 0.0
    report: ReceiverReport | None = None


@dataclass(frozen=True)
class SendPlan:
    """What to do now.

    Attributes:
        frames_per_message: 1 to 8.
        rate: index into the configuration's rates.
        drop_frames: oldest unsent frames to drop.
        may_send: whether a message may be handed to the websocket; if not, frames wait in the
            queue, where they can still be dropped.
    """

    frames_per_message: int
    rate: int
    drop_frames: int
    may_send: bool


class RateController:
    """Decides a :class:`SendPlan` from :class:`SendState`; call it for every frame or so.

    Args:
        config: the codec's parameters.
        rates: rates that both ends support, ascending.
        rate: the rate wanted; the highest common one up to it is the best that is used.
        frames_per_message: the fewest frames per message, 1 to 8.
        link: the layers below, for what a message costs.
        coder: what codes the payload; None: it is packed.

    Raises InputError when an argument is out of range.
    """

    def __init__(
        self,
        config: CodecConfig,
        rates: Sequence[int],
        rate: int,
        frames_per_message: int,
        link: Link,
        coder: IndexCoder | None = None,
    ) -> None:
        if not rates:
            raise InputError("rates is empty, expected the rates that both ends support")
        if not 1 <= frames_per_message <= MAX_PACKET_FRAMES:
            raise InputError(
                f"frames_per_message is {frames_per_message}, expected 1 to {MAX_PACKET_FRAMES}"
            )
        self._config = config
        self._link = link
        self._coder = coder
        best = max((r for r in rates if r <= rate), default=min(rates))
        frames = [frames_per_message, *(n for n in _FRAMES_LADDER if n > frames_per_message)]
        lower = [r for r in sorted(rates, reverse=True) if r < best]
        self._ladder = [(n, best) for n in frames] + [(frames[-1], r) for r in lower]
        self._step = 0
        self._changed_at: float | None = None
        self._climbed_at: float | None = None
        self._failed_at: float | None = None
        self._bad_since: float | None = None
        self._clear_since: float | None = None
        self._climb_after_s = _CLIMB_AFTER_S
        self._rtt_minimum = _RttMinimum()
        self._report: ReceiverReport | None = None
        self._lost_beyond_drops = 0
        self._lossy = False

    @property
    def step(self) -> int:
        """Steps below the best setting, 0 when the link carries it."""
        return self._step

    def wire_bps(self, frames_per_message: int, rate: int) -> float:
        """Bits per second on the wire of speech sent so, headers included."""
        if self._coder is not None:
            payload = self._coder.typical_bytes(rate, frames_per_message)
        else:
            payload = packed_bytes(self._config, rate, frames_per_message)
        message = self._link.wire_bytes(_AUDIO_BYTES + payload)
        return 8 * message * self._config.frame_rate / frames_per_message

    def update(self, state: SendState, now: float) -> SendPlan:
        """What to do at ``now`` (seconds, any monotonic origin)."""
        frames, rate = self._ladder[self._step]
        frame_ms = self._config.frame_ms
        buffered_ms = 8000 * state.buffered_bytes / self.wire_bps(frames, rate)
        # A message that still fills is no backlog.
        waiting = max(0, state.unsent_frames - frames)
        backlog_ms = waiting * frame_ms + buffered_ms
        drop = 0
        if backlog_ms > _DROP_ABOVE_MS:
            drop = min(waiting, int((backlog_ms - _BACKLOG_MS) / frame_ms))

        floor = self._rtt_minimum.update(state.rtt_s, now)
        rtt_s = max(state.rtt_s or 0.0, state.unanswered_s)
        new_loss = self._judge_report(state)
        if backlog_ms > _BACKLOG_MS or rtt_s > floor + _RTT_HIGH_S or new_loss:
            self._clear_since = None
            if self._bad_since is None:
                self._bad_since = now
            if new_loss or now >= self._bad_since + _PATIENCE_S:
                self._step_down(now)
        else:
            self._bad_since = None
            if rtt_s > floor + _RTT_CLEAR_S or self._lossy:
                self._clear_since = None
            else:
                self._climb(now)
        frames, rate = self._ladder[self._step]
        stalled = state.unanswered_s > floor + _STALLED_S
        return SendPlan(frames, rate, drop, may_send=state.buffered_bytes == 0 and not stalled)

    def _step_down(self, now: float) -> None:
        if self._changed_at is not None and now < self._changed_at + _STEP_DOWN_S:
            return
        if self._step == len(self._ladder) - 1:
            return
        if self._climbed_at is not None and now < self._climbed_at + _CLIMB_FAILED_S:
            self._climb_after_s = min(_CLIMB_AFTER_MAX_S, 2 * self._climb_after_s)
            self._climbed_at = None
            self._failed_at = now
        self._step += 1
        self._changed_at = now

    def _climb(self, now: float) -> None:
        if self._clear_since is None:
            self._clear_since = now
        if self._step == 0 or now < self._clear_since + self._climb_after_s:
            return
        if self._failed_at is not None and now >= self._failed_at + _FORGIVEN_S:
            self._climb_after_s = _CLIMB_AFTER_S
        self._step -= 1
        self._changed_at = self._climbed_at = self._clear_since = now

    def _judge_report(self, state: SendState) -> bool:
        """Whether a new report tells of loss that is not this side's own dropping."""
        report = state.report
        if report is None or report is self._report:
            return False
        # The totals are compared, because a report tells of drops some time after they are made.
        beyond = max(0, report.lost - state.dropped_frames)
        received = report.received - (self._report.received if self._report is not None else 0)
        fresh = beyond - self._lost_beyond_drops
        self._lost_beyond_drops = max(self._lost_beyond_drops, beyond)
        self._report = report
        self._lossy = fresh > _LOSS_HIGH * max(1, received)
        return self._lossy


class _RttMinimum:
    """Smallest round trip of the last 30 to 60 seconds; two half-windows that take turns."""

    def __init__(self) -> None:
        self._halves = [float("inf"), float("inf")]
        self._turn_at: float | None = None

    def update(self, rtt_s: float | None, now: float) -> float:
        """Take a measure, None when there is none; the minimum in seconds."""
        if rtt_s is None:
            return min(*self._halves, _RTT_UNKNOWN_S)
        if self._turn_at is None or now >= self._turn_at:
            self._halves = [rtt_s, self._halves[0]]
            self._turn_at = now + _RTT_MEMORY_S
        self._halves[0] = min(self._halves[0], rtt_s)
        return min(self._halves)
