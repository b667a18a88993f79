"""How long to hold frames back: a target delay from the arrival jitter.

Every message has a *lateness*: arrival time minus sender time of its last frame. The smallest
lateness of the last ten seconds is the base, the fastest way through the network; what lies above
it is jitter::

    lateness   |        x                          one message each
               |  x        x    x   x
    target  - -|- - - - - - - - - - - - - - - -    quantile + margin
               |     x    x  x    x    x  x
    base    ---|--x----x----x--x-----x----x---     smallest of ten seconds
               +------------------------------> arrival

A delay of up to 100 ms is cheap: it covers what comes once in a second or so, the worst message of
each half second, as WebRTC's NetEQ does (``underrun_optimizer``). Beyond that only what is common
is worth its delay: the 97 % quantile of all messages. Over TCP one lost packet holds up all that
follow for two round trips, so the worst of a half second would be a second of delay for ever.

Lateness is kept for seven seconds, absolute, so that a base that moves (another route, a clock that
drifts) takes the memory along. The target rises at once and falls by 100 ms a half second.
"""

from __future__ import annotations

import math
from collections import deque

from q2d2_stream.errors import InputError

__all__ = ["DelayEstimator"]

_PEAK_QUANTILE = 0.95
_MESSAGE_QUANTILE = 0.97
_CHEAP_S = 0.1
_PEAK_S = 0.5
_MEMORY_S = 7.0
_MEMORY_MESSAGES = 1024
_BASE_WINDOW_S = 10.0
_BASE_WINDOW_MESSAGES = 50  # the base outlives a pause: it expires by age and by count
_FALL_S = 0.100  # the target falls by at most this per half second
_DEAD_S = 0.005  # and only when it would fall by more than this
_OUTLIER_S = 0.06  # a peak this far above the target needs a second one within
_OUTLIER_MEMORY_S = 20.0
_OUTLIER_REST_S = 0.9  # what follows within this belongs to the same event
_PACKET_MEMORY = 16


class DelayEstimator:
    """Target delay for a stream of messages, and the delay at which a frame is being played.

    Delays count from the moment at which a frame would have come by the fastest way, as the last
    frame of its message. So the target of a message of ``n`` frames holds ``n - 1`` frames of
    packetisation on top of the jitter.

    Args:
        frame_s: length of a frame in seconds.
        minimum_ms: least target for the jitter.
        maximum_ms: largest target for the jitter. Anything later than this is a stall, which no
            delay can cover: it is counted and left out of the statistics.
        start_ms: target until the jitter is known.
        margin_ms: added to the quantile.

    Raises:
        InputError: unless 0 <= minimum <= maximum.
    """

    def __init__(
        self,
        frame_s: float,
        *,
        minimum_ms: float = 20.0,
        maximum_ms: float = 500.0,
        start_ms: float = 30.0,
        margin_ms: float = 10.0,
    ) -> None:
        if not 0 <= minimum_ms <= maximum_ms:
            raise InputError(
                f"the playout delay is {minimum_ms:g} to {maximum_ms:g} ms, "
                "expected a minimum of at least 0 and a maximum not below it"
            )
        self.stalls = 0
        self.skew = 0.0  # d lateness / d time, from the drift estimator
        self._frame_s = frame_s
        self._minimum_s, self._maximum_s = minimum_ms / 1e3, maximum_ms / 1e3
        self._margin_s = margin_ms / 1e3
        self._target_s = min(max(start_ms / 1e3, self._minimum_s), self._maximum_s)
        self._packets: deque[int] = deque(maxlen=_PACKET_MEMORY)
        self._packet_frames = 1
        self._jitter_s = 0.0
        self._repair_s = 0.0
        self._repair_until = -math.inf
        self.rebase()

    def rebase(self) -> None:
        """Forgets the sender's time origin (it starts anew) but keeps what is known of jitter."""
        self._minima: deque[tuple[int, float, float]] = deque()  # ascending: count, time, lateness
        self._messages = 0
        self._base = 0.0
        self._peaks: deque[tuple[float, float]] = deque()  # time, lateness
        self._late: deque[tuple[float, float]] = deque(maxlen=_MEMORY_MESSAGES)
        self._recent: list[float] = []  # lateness in the half second that runs
        self._recent_since = 0.0
        self._offset, self._offset_time = 0.0, 0.0
        self._last: tuple[float, int] | None = None
        self._draining = False
        self._outlier_time = -math.inf

    @property
    def packet_frames(self) -> int:
        """Frames per message: the largest number among the latest messages."""
        return self._packet_frames

    @property
    def packetisation_s(self) -> float:
        """How long the first frame of a message waits for the last one, in seconds."""
        return (self._packet_frames - 1) * self._frame_s

    @property
    def target_s(self) -> float:
        """Delay to play at, in seconds: packetisation, jitter, and waiting for a copy."""
        return self._target_s + self.packetisation_s + self._repair_s

    @property
    def jitter_ms(self) -> float:
        """Inter-arrival jitter in milliseconds, smoothed as in RFC 3550 section 6.4.1."""
        return 1e3 * self._jitter_s

    def delay_s(self, timestamp_frames: int, now: float) -> float:
        """Delay of a frame that is played at ``now``, in seconds; may be negative."""
        return self._lateness(timestamp_frames, now) - self._base

    def put(self, timestamp_frames: int, frames: int, now: float, start: bool = False) -> None:
        """Takes note of a message that came at ``now``.

        Args:
            timestamp_frames: unwrapped sender time of the message's last frame.
            frames: number of frames in the message.
            now: arrival time in seconds.
            start: the message begins a talk spurt. Its pre-roll comes in one burst, late because
                the sender kept it back; that is no jitter.
        """
        self._packets.append(frames)
        self._packet_frames = max(self._packets)
        if self._messages == 0:
            self._offset_time = now
        self._offset += self.skew * (now - self._offset_time)
        self._offset_time = now
        lateness = self._lateness(timestamp_frames, now)
        self._update_base(lateness, now)
        last, self._last = self._last, (lateness, timestamp_frames)
        if last is not None and not start:
            self._jitter_s += (abs(lateness - last[0]) - self._jitter_s) / 16.0
        if self._is_stall(lateness, timestamp_frames, last, start):
            return
        if not self._recent:
            self._recent_since = now
        self._recent.append(lateness)
        if now - self._recent_since >= _PEAK_S:
            peak = max(self._recent)
            if not self._is_lone(peak, now):
                self._peaks.append((now, peak))
                self._late.extend((now, late) for late in self._recent)
            self._recent.clear()
            self._update_target(now)

    def repaired(self, frames: int, now: float) -> None:
        """A lost message was made good by a copy that came ``frames`` frames later; while that
        goes on, frames wait for their copies."""
        self._repair_s = max(self._repair_s, frames * self._frame_s)
        self._repair_until = now + _MEMORY_S

    def _lateness(self, timestamp_frames: int, now: float) -> float:
        drifted = self._offset + self.skew * (now - self._offset_time)
        return now - timestamp_frames * self._frame_s - drifted

    def _update_base(self, lateness: float, now: float) -> None:
        self._messages += 1
        minima = self._minima
        while minima and minima[-1][2] >= lateness:
            minima.pop()
        minima.append((self._messages, now, lateness))
        while (
            now - minima[0][1] > _BASE_WINDOW_S
            and self._messages - minima[0][0] > _BASE_WINDOW_MESSAGES
        ):
            minima.popleft()
        self._base = minima[0][2]

    def _is_stall(
        self, lateness: float, timestamp_frames: int, last: tuple[float, int] | None, start: bool
    ) -> bool:
        if lateness - self._base > self._maximum_s:
            if not self._draining:
                self.stalls += 1
            self._draining = True
            return True
        if start:
            self._draining = True
            return True
        if self._draining and last is not None:
            # What was held up comes faster than it was sent: the tail of the same stall.
            caught_up = last[0] - lateness
            sent = (timestamp_frames - last[1]) * self._frame_s
            self._draining = caught_up > 0.25 * sent > 0
        return self._draining

    def _is_lone(self, peak: float, now: float) -> bool:
        # A short stall that happens once must not hold the delay up; from the second one on it is
        # worth the delay.
        if peak - self._base <= self._target_s + _OUTLIER_S:
            return False
        since = now - self._outlier_time
        if since > _OUTLIER_MEMORY_S:
            self._outlier_time = now
        return since > _OUTLIER_MEMORY_S or since < _OUTLIER_REST_S

    def _update_target(self, now: float) -> None:
        for memory in (self._peaks, self._late):
            while memory and now - memory[0][0] > _MEMORY_S:
                memory.popleft()
        common = _quantile([late for _, late in self._late], _MESSAGE_QUANTILE) - self._base
        worst = _quantile([late for _, late in self._peaks], _PEAK_QUANTILE) - self._base
        wanted = max(common, min(worst, _CHEAP_S)) + self._margin_s
        wanted = min(max(wanted, self._minimum_s), self._maximum_s)
        if wanted > self._target_s:
            self._target_s = wanted
        elif self._target_s - wanted > _DEAD_S:
            self._target_s = max(wanted, self._target_s - _FALL_S)
        self._repair_s = self._repair_s if now < self._repair_until else 0.0


def _quantile(values: list[float], quantile: float) -> float:
    """The smallest value that at least so large a share does not exceed; -inf of none."""
    if not values:
        return -math.inf
    return sorted(values)[math.ceil(quantile * len(values) - 1e-9) - 1]
