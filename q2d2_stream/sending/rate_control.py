"""The sender's controller: what the link carries decides frames per message and rate.

The settings form a ladder, from one frame per message at the wanted rate (least delay) through more
frames per message (fewer headers) to lower rates (less sound). A queue in the link, told apart from
jitter by :mod:`.link_monitor`, costs steps at once: down to what the link has just delivered. Where
nothing arrives at all the link stalls: nothing is handed to it, what gets old is dropped, and no
step is lost. The way back up is one step at a time, quick until the first failure, then slower
after each.

Loss without a queue is no congestion. It is answered with redundancy, on paths that lose messages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from q2d2_stream.config import CodecConfig
from q2d2_stream.entropy import IndexCoder
from q2d2_stream.errors import InputError
from q2d2_stream.packet import MAX_PACKET_FRAMES
from q2d2_stream.protocol.messages import ReceiverReport
from q2d2_stream.protocol.sealing import AUDIO_OVERHEAD_BYTES
from q2d2_stream.protocol.sequence import distance
from q2d2_stream.sending.link import Link
from q2d2_stream.sending.link_monitor import LinkMonitor

__all__ = ["RateController", "SendPlan", "SendState"]

# What an audio message has around its indices: counter and tag, flags, TOC.
_AUDIO_BYTES = AUDIO_OVERHEAD_BYTES + 2
# The echo that rides on some messages.
_ECHO_BYTES = 6
# Around the copies: their length and their TOC.
_COPY_BYTES = 2
_FRAMES_LADDER = (1, 2, 3, 4, 6, 8, 10, 12, 16)
# Frames that wait in this program and the system, as time: a backlog; above the second, frames are
# dropped until as few are left as the first allows.
_BACKLOG_MS = 100.0
_DROP_ABOVE_MS = 240.0
# A standing queue: above this and half a message's own length, and above the window's spread.
_QUEUE_S = 0.08
# A message without an echo for so long beyond what is usual: nothing more is put behind it.
_HOLD_S = 0.25
# While it is stalled, a message is let through so often.
_PROBE_S = 1.0
# No echo at all for so long: a stall, in which nothing can be learnt.
_STALL_S = 0.4
_PATIENCE_S = 0.6
_QUEUE_PATIENCE_S = 0.5
# Of what was delivered while a queue stood: the rest drains it, and is the margin ever after.
_SHARE = 0.88
# The wait before a step up: while the link has never been full, within what the handshake showed
# and beyond it; to a setting that it is known to carry; to another one, and after failures.
_CLIMB_FIRST_S = 0.5
_CLIMB_UNKNOWN_S = 2.0
# Packetisation of less than this share of the round trip and its spread is not noticed.
_NOTICED = 0.1
# Of what the handshake showed: where to begin.
_START_SHARE = 0.8
_CLIMB_SAFE_S = 1.5
_CLIMB_RISKY_S = 10.0
_CLIMB_RISKY_MAX_S = 80.0
# A step down this soon after a climb says that the climb was too early.
_CLIMB_FAILED_S = 10.0
# After so long the link may have changed: what it carried is forgotten.
_FORGIVEN_S = 240.0
# Messages received per second, smoothed over so long.
_RECEIVED_S = 3.0
# A cap, or a line of known capacity, is filled up to this share: pings and reports need the rest,
# and where nothing below holds a message back, speech that codes badly for a while.
_FILL_CAP = 0.94
_FILL_LINE = 0.88
# For receivers behind a relay, messages get no longer than this, and sound is not made worse: one
# member with a thin link, or a spiteful one, costs all others 40 ms and no more.
_SPARED_FRAMES = 6
_SPARED_S = 20.0
_LOSS_ON = 0.02
# Loss so soon after a queue is taken for the queue's.
_FULL_S = 5.0
_LOSS_OFF = 0.005
_CLEAN_REPORTS = 5


@dataclass(frozen=True)
class SendState:
    """What the sender sees of its own end.

    Attributes:
        unsent_frames: frames in the send queue.
        dropped_frames: frames that the send queue has dropped since the call began.
        buffered_bytes: bytes given to the transport that the system has not sent.
        sent_bits: on the wire since the connection began, whatever it was.
        received_messages: since then, over a transport that acknowledges them.
    """

    unsent_frames: int
    dropped_frames: int = 0
    buffered_bytes: int = 0
    sent_bits: int = 0
    received_messages: int = 0


@dataclass(frozen=True)
class SendPlan:
    """What to do now.

    Attributes:
        frames_per_message: 1 to 16.
        rate: index into the configuration's rates.
        drop_frames: oldest unsent frames to drop.
        may_send: whether a message may be handed to the transport; if not, frames wait in the
            queue, where they can still be dropped.
        copies: whether messages should repeat the frames before them.
        is_stalled: whether the link has been silent for longer than its jitter explains.
    """

    frames_per_message: int
    rate: int
    drop_frames: int
    may_send: bool
    copies: bool = False
    is_stalled: bool = False


class RateController:
    """Decides a :class:`SendPlan` from :class:`SendState`; call it for every frame or so.

    Args:
        config: the codec's parameters.
        rates: rates that both ends support, ascending.
        rate: the rate wanted; the highest common one up to it is the best that is used.
        frames_per_message: the fewest frames per message, 1 to 16.
        link: the layers below, for what a message costs.
        coder: what codes the payload; None: it is packed.
        max_bps: hard cap of bits per second on the wire, all headers counted; None: no cap.
        start_bps: about what the link carries, more rather than less; None: nothing is known.

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
        *,
        max_bps: float | None = None,
        start_bps: float | None = None,
    ) -> None:
        if not rates:
            raise InputError("rates is empty, expected the rates that both ends support")
        if not 1 <= frames_per_message <= MAX_PACKET_FRAMES:
            raise InputError(
                f"frames_per_message is {frames_per_message}, expected 1 to {MAX_PACKET_FRAMES}"
            )
        if max_bps is not None and max_bps <= 0:
            raise InputError(f"the cap is {max_bps:g} bps, expected more than 0")
        self._config = config
        self._coder = coder
        best = max((r for r in rates if r <= rate), default=min(rates))
        frames = [frames_per_message, *(n for n in _FRAMES_LADDER if n > frames_per_message)]
        lower = [r for r in sorted(rates, reverse=True) if r < best]
        self._ladder = [(n, best) for n in frames] + [(frames[-1], r) for r in lower]
        self._max_bps = max_bps
        self._cap = _Allowance(max_bps) if max_bps is not None else None
        self._received = _Frequency()
        self._link = link
        self.monitor = LinkMonitor()
        self._step = 0
        self._changed_at = self._stalled_at = -math.inf
        self._climbed_at: float | None = None
        self._failed_at: float | None = None
        self._ceiling_bps: float | None = None
        self._bad_since: float | None = None
        self._clear_since: float | None = None
        self._climb_after_s = _CLIMB_RISKY_S
        # Datagrams begin with copies, until two reports say that nothing is lost.
        self._lossy = self._copies = link.loses_messages and link.capacity_bps is None
        self._clean_reports = _CLEAN_REPORTS - 2
        self._report: tuple[ReceiverReport, int] | None = None
        self._sent_bits: int | None = None
        self._received_messages = 0
        self._spared_step, self._spared_until = 0, -math.inf
        self._repeats_until = -math.inf
        if start_bps is not None and link.capacity_bps is None:
            # More frames per message is soon undone, a lower rate is heard: that needs more proof
            # than a handshake, which a busy machine may have taken its time for.
            start = self._step_for(_START_SHARE * start_bps, -math.inf)
            self._step = min(start, len(frames) - 1)
        self._start_bps = start_bps or 0.0

    @property
    def step(self) -> int:
        """Steps below the best setting, 0 when the link carries it."""
        return self._step

    @property
    def max_kbps(self) -> float | None:
        """The cap; None without one."""
        return None if self._max_bps is None else self._max_bps / 1000

    def wire_bps(self, frames_per_message: int, rate: int) -> float:
        """Bits per second on the wire of speech sent so, headers and copies included."""
        payload = self._payload_bytes(frames_per_message, rate)
        if self._copies:
            payload += _COPY_BYTES + self._payload_bytes(frames_per_message, 0)
        echo = _ECHO_BYTES if self._link.capacity_bps is None else 0
        message = self._link.wire_bits(_AUDIO_BYTES + echo + payload)
        return message * self._config.frame_rate / frames_per_message

    def _payload_bytes(self, frames: int, rate: int) -> int:
        if self._coder is not None:
            return self._coder.typical_bytes(rate, frames)
        return self._config.ladder[rate].packed_bytes(frames)

    def sent(self, sequence: int, message_bytes: int, now: float) -> None:
        """Audio has been handed to the transport, frames from ``sequence`` on."""
        self.monitor.sent(sequence, self._link.wire_bits(message_bytes), now)

    def echo(self, sequence: int, held_s: float, now: float) -> None:
        """The peer's newest message is the one from ``sequence`` on, since ``held_s``."""
        self.monitor.echo(sequence, held_s, now)

    def report(self, report: ReceiverReport, dropped_frames: int) -> None:
        """What the peer hears; ``dropped_frames`` never left this side, which is no loss."""
        last, self._report = self._report, (report, dropped_frames)
        expected = distance(last[0].sequence, report.sequence) if last is not None else 0
        own = (dropped_frames - last[1]) / expected if last is not None and expected > 0 else 0.0
        self.lost(report.loss - own)

    def lost(self, loss: float) -> None:
        """A share of what was sent did not arrive, in about two seconds."""
        if loss >= _LOSS_ON:
            self._lossy, self._clean_reports = True, 0
        elif loss < _LOSS_OFF:
            self._clean_reports += 1
            self._lossy = self._lossy and self._clean_reports < _CLEAN_REPORTS

    def spare_receivers(self, now: float) -> None:
        """Some of those whom a relay hands audio on to lose some: longer messages for a while."""
        longest = sum(frames <= _SPARED_FRAMES for frames, rate in self._ladder[1:])
        self._spared_step = min(max(self._step, self._spared_step) + 1, longest)
        self._spared_until = now + _SPARED_S

    def repeat_for_receivers(self, loss: float, now: float) -> None:
        """Some of those whom a relay hands audio on to miss some: copies for a while."""
        if loss >= _LOSS_ON:
            self._repeats_until = now + _SPARED_S

    def resume(self) -> None:
        """Audio goes by this link again, after it went another way."""
        self.monitor.forget_under_way()
        self._bad_since = self._clear_since = self._sent_bits = None

    def update(self, state: SendState, now: float) -> SendPlan:
        """What to do at ``now`` (seconds, any monotonic origin)."""
        self._count(state, now)
        self._choose_copies(now)
        self._step = max(self._step, self._floor_step(now))
        frames, rate = self._ladder[self._step]
        frame_ms = self._config.frame_ms
        buffered_ms = 8000 * state.buffered_bytes / self.wire_bps(frames, rate)
        # A message that still fills is no backlog.
        waiting = max(0, state.unsent_frames - frames)
        backlog_ms = waiting * frame_ms + buffered_ms
        drop = 0
        # What jitter holds up is not late by more than the jitter, for which the peer waits anyway.
        if backlog_ms > max(_DROP_ABOVE_MS, 1000 * self.monitor.usual_spread_s):
            drop = min(waiting, int((backlog_ms - _BACKLOG_MS) / frame_ms))
        is_stalled = self._is_stalled(now)
        self._judge(backlog_ms, now)
        frames, rate = self._ladder[self._step]
        is_open = self._cap is None or self._cap.is_open(now)
        return SendPlan(
            frames,
            rate,
            drop,
            may_send=state.buffered_bytes == 0 and not is_stalled and is_open,
            copies=self._copies,
            is_stalled=is_stalled,
        )

    def _choose_copies(self, now: float) -> None:
        """Copies where messages are lost, but not where a queue has just overflowed: they take
        more of the link, and are no use against that."""
        is_full = self._failed_at is not None and now < self._failed_at + _FULL_S
        copies = self._lossy and self._link.loses_messages and not is_full
        copies = copies or now < self._repeats_until
        if copies and not self._copies and self._ceiling_bps is not None:
            self._copies = True  # what the link has carried must carry them as well
            self._step = max(self._step, self._step_for(_SHARE * self._ceiling_bps, now))
        self._copies = copies

    def _count(self, state: SendState, now: float) -> None:
        """What went and came since the last update, for the cap and the acknowledgements."""
        if self._sent_bits is not None:
            received = state.received_messages - self._received_messages
            self._received.count(received, now)
            if self._cap is not None:
                alone = self._link.acknowledgement_share(self._messages_per_s()) * received
                bits = state.sent_bits - self._sent_bits
                self._cap.take(bits + self._link.acknowledgement_bits * alone, now)
        if now >= self._spared_until:
            self._spared_step = 0
        self._sent_bits, self._received_messages = state.sent_bits, state.received_messages

    # -- what the link says ---------------------------------------------------------------------

    def _judge(self, backlog_ms: float, now: float) -> None:
        frames, _ = self._ladder[self._step]
        monitor = self.monitor
        window = monitor.window(now, max(self._changed_at, self._stalled_at))
        threshold_s = _QUEUE_S + 0.0005 * frames * self._config.frame_ms
        queued = window is not None and window.queue_s > threshold_s + window.spread_s
        silent_s = now - (monitor.last_echo_at or now)
        stalled = silent_s > _STALL_S + 2 * monitor.interval_s
        if stalled:
            self._bad_since = self._clear_since = None
            self._stalled_at = now  # what was under way tells of the stall and of nothing else
        elif queued or backlog_ms > _BACKLOG_MS:
            self._clear_since = None
            if self._bad_since is None:
                self._bad_since = now
            if now >= self._bad_since + (_QUEUE_PATIENCE_S if queued else _PATIENCE_S):
                self._step_down(now)
        else:
            self._bad_since = None
            echoes = self._link.capacity_bps is None
            unclear = window is None or window.queue_s > threshold_s / 2 + window.spread_s
            if echoes and unclear:
                self._clear_since = None
            else:
                self._climb(now)

    def doubts_path(self, now: float) -> bool:
        """Whether a link that :meth:`update` has just called stalled seems to carry nothing, so
        that another way should carry audio too.

        A link that has always carried the best setting is at fault as soon as it stalls. On any
        other messages may only queue, and while they do their echoes still come: there silence
        tells.
        """
        monitor = self.monitor
        is_ample = self._step == 0 and self._ceiling_bps is None and self._climbed_at is None
        if is_ample or monitor.last_echo_at is None:
            return True
        patience_s = _HOLD_S + monitor.interval_s + monitor.usual_spread_s
        return now - monitor.last_echo_at > patience_s

    def _is_stalled(self, now: float) -> bool:
        """Whether the link has been silent for longer than its jitter explains."""
        if self._link.capacity_bps is not None:
            return False  # such lines do not echo
        monitor = self.monitor
        base_s = monitor.base_s
        if now - monitor.last_sent_at > _PROBE_S:
            return False  # an echo may be lost: ask again
        if base_s is None:
            return monitor.unechoed_s(now) > _PROBE_S
        usual_s = min(monitor.usual_rtt_s, base_s + 1.0) + monitor.interval_s
        return monitor.unechoed_s(now) > usual_s + _HOLD_S

    # -- steps ----------------------------------------------------------------------------------

    def _floor_step(self, now: float) -> int:
        """The best step that the cap and the line's capacity allow."""
        limit_bps = math.inf
        if self._max_bps is not None:
            limit_bps = _FILL_CAP * self._max_bps
        if (capacity_bps := self._link.capacity_bps) is not None:
            limit_bps = min(limit_bps, _FILL_LINE * capacity_bps)
        step = self._step_for(limit_bps, now)
        return max(step, self._spared_step) if now < self._spared_until else step

    def _cost_bps(self, step: int, now: float) -> float:
        """What a step takes of the link, acknowledgements included.

        The peer is taken to send no more messages than this side: it sees the same link.
        """
        frames, rate = self._ladder[step]
        sent_per_s = self._config.frame_rate / frames
        received_per_s = min(self._received.per_s(now), sent_per_s)
        alone = self._link.acknowledgement_share(sent_per_s) * received_per_s
        return self.wire_bps(frames, rate) + self._link.acknowledgement_bits * alone

    def _messages_per_s(self) -> float:
        return self._config.frame_rate / self._ladder[self._step][0]

    def _step_for(self, bps: float, now: float) -> int:
        """The first step that costs no more than ``bps``, or the last."""
        fits = (i for i in range(len(self._ladder)) if self._cost_bps(i, now) <= bps)
        return next(fits, len(self._ladder) - 1)

    def _step_down(self, now: float) -> None:
        monitor = self.monitor
        # What was sent before the last change says nothing of this setting.
        settled_s = 0.5 + (monitor.base_s or 0.5) + 2 * monitor.interval_s
        if now < self._changed_at + settled_s or self._step == len(self._ladder) - 1:
            return
        window = monitor.window(now, self._stalled_at)
        wanted = self._step + 1
        if window is not None and window.bps > 0:
            sent_per_s = self._messages_per_s()
            alone = self._link.acknowledgement_share(sent_per_s) * self._received.per_s(now)
            carried = window.bps + self._link.acknowledgement_bits * alone
            self._ceiling_bps = carried
            wanted = max(wanted, self._step_for(_SHARE * carried, now))
        if self._climbed_at is not None and now < self._climbed_at + _CLIMB_FAILED_S:
            self._climb_after_s = min(_CLIMB_RISKY_MAX_S, 2 * self._climb_after_s)
        self._climbed_at = None
        self._failed_at = now
        self._step = wanted
        self._changed_at = now
        self._bad_since = None

    def _climb(self, now: float) -> None:
        if self._clear_since is None:
            self._clear_since = now
        if self._failed_at is not None and now >= self._failed_at + _FORGIVEN_S:
            self._ceiling_bps, self._climb_after_s = None, _CLIMB_RISKY_S
            self._failed_at = None
        if self._climbed_at is not None and now >= self._climbed_at + _CLIMB_FAILED_S:
            # The last climb has held: so much the link does carry.
            self._climbed_at = None
            if self._ceiling_bps is not None:
                carried = self._cost_bps(self._step, now) / _SHARE
                self._ceiling_bps = max(self._ceiling_bps, carried)
        if self._step <= self._floor_step(now) or not self._is_worthwhile(self._step - 1):
            return
        if now >= self._clear_since + self._wait_s(now):
            self._step = max(self._floor_step(now), self._next_step(now))
            self._changed_at = self._climbed_at = self._clear_since = now

    def _is_worthwhile(self, step: int) -> bool:
        """Whether shorter messages would be noticed: a link that takes long, or is uneven, keeps
        its delay, and more packets only give it more to do."""
        frames, _ = self._ladder[step]
        if frames == self._ladder[self._step][0]:
            return True
        if self._link.capacity_bps is not None:
            return True
        takes_s = (self.monitor.base_s or 0.0) + self.monitor.usual_spread_s
        longest_s = self._ladder[self._step][0] * self._config.frame_ms / 1000
        return longest_s > _NOTICED * takes_s

    def _next_step(self, now: float) -> int:
        if self._ceiling_bps is not None:
            return self._step - 1
        # Up to what the handshake has shown at once, and then with care.
        return min(self._step - 1, self._step_for(self._start_bps, now))

    def _wait_s(self, now: float) -> float:
        if self._ceiling_bps is None:
            is_known = self._cost_bps(self._step - 1, now) <= self._start_bps
            return _CLIMB_FIRST_S if is_known else _CLIMB_UNKNOWN_S
        is_safe = self._cost_bps(self._step - 1, now) <= _SHARE * self._ceiling_bps
        return _CLIMB_SAFE_S if is_safe else self._climb_after_s


class _Frequency:
    """How often something happens, per second, smoothed exponentially."""

    def __init__(self) -> None:
        self._per_s = 0.0
        self._at = 0.0

    def count(self, times: int, now: float) -> None:
        """It has happened so often since the last call."""
        self._per_s = self.per_s(now) + times / _RECEIVED_S
        self._at = now

    def per_s(self, now: float) -> float:
        """Per second, of the last three seconds or so."""
        return self._per_s * math.exp(-max(0.0, now - self._at) / _RECEIVED_S)


class _Allowance:
    """A token bucket of bits that may be overdrawn by what cannot wait; audio waits meanwhile."""

    _DEPTH_S = 0.1

    def __init__(self, bps: float) -> None:
        self._bps = bps
        self._bits = 0.0
        self._at: float | None = None

    def take(self, bits: float, now: float) -> None:
        self._refill(now)
        self._bits -= bits

    def is_open(self, now: float) -> bool:
        self._refill(now)
        return self._bits >= 0

    def _refill(self, now: float) -> None:
        if self._at is not None:
            elapsed_s = max(0.0, now - self._at)
            self._bits = min(self._bps * self._DEPTH_S, self._bits + elapsed_s * self._bps)
        self._at = now
