"""Whether UDP carries the audio, the websocket does, or both do for a moment.

::

                answered                       nothing echoed
    PROBING ----------------> UP ---------------------------------> DOUBTFUL
      ^                        ^       twice answered                  |   |
      |                        '---------------------------------------'   |
      '--------------------------------------------------------------------'
                              not answered for a second

PROBING: audio by the websocket; probes, ever more seldom. UP: audio by UDP; a probe a second keeps
address translators open. DOUBTFUL: audio by both, which drop each other's copies, and a probe every
tenth of a second. So a path that dies costs what was under way, and that is sent again. Where the
link is thin, both would be more than it carries: then audio goes by the websocket alone, and probes
are fewer.

A side that only follows (a relay) has no address to probe before the other side's probe comes, and
owes nobody a probe that was not asked for: it challenges with its answers, and by itself only while
it doubts an address that has answered before.
"""

from __future__ import annotations

import math
import secrets
from enum import Enum

__all__ = ["PathState", "UdpPath"]

_PROBE_FIRST_S = 0.1
_PROBE_MAX_S = 5.0
_KEEP_ALIVE_S = 1.0
_DOUBT_PROBE_S, _DOUBT_PROBE_THIN_S = 0.1, 0.3
_DOUBT_S = 1.0
# Keep-alives without an answer after which a path that carries nothing is taken for dead.
_UNANSWERED = 4
_CONFIRM = 2
# A path that failed must hold for so long to be trusted at the first answer again.
_FORGIVEN_S = 30.0
_MAX_OUTSTANDING = 64
# Round trips as of TCP (RFC 6298): mean and deviation, smoothed.
_MEAN_GAIN, _DEVIATION_GAIN, _DEVIATIONS = 0.125, 0.25, 4.0
_RTT_UNKNOWN_S = 0.5


class PathState(Enum):
    """Where a path stands."""

    PROBING = "probing"
    UP = "up"
    DOUBTFUL = "doubtful"


class UdpPath:
    """Decides for one side of one connection; the peer decides for its own direction.

    Args:
        now: seconds, from any monotonic origin.
        follows: probes when the other side does, and while in doubt.

    Attributes:
        failures: times that the path was given up.
        least_rtt_s: of all probes that were answered; infinite before the first.
    """

    def __init__(self, now: float, *, follows: bool = False) -> None:
        self.failures = 0
        self._follows = follows
        self._rtt_s: float | None = None
        self._rtt_deviation_s = 0.0
        self.least_rtt_s = math.inf
        self._rests_until = -math.inf
        self._state = PathState.PROBING
        self._since = now
        self._next_probe = now
        self._wait_s = _PROBE_FIRST_S
        self._answers = 0
        self._outstanding: dict[int, float] = {}  # in the order of their making
        self._failed_at: float | None = None
        self._is_thin = False

    @property
    def state(self) -> PathState:
        """Where the path stands."""
        return self._state

    @property
    def carries_audio(self) -> bool:
        """Whether audio is to go by UDP."""
        is_doubtful = self._state is PathState.DOUBTFUL
        return self._state is PathState.UP or (is_doubtful and not self._is_thin)

    @property
    def needs_websocket(self) -> bool:
        """Whether audio is to go by the websocket."""
        return self._state is not PathState.UP

    @property
    def deadline(self) -> float:
        """When :meth:`probe` wants to be called next."""
        is_asked = self._follows and self._state is not PathState.DOUBTFUL
        return math.inf if is_asked else self._next_probe

    @property
    def patience_s(self) -> float:
        """A round trip that a probe's answer seldom takes longer than."""
        if self._rtt_s is None:
            return _RTT_UNKNOWN_S
        return self._rtt_s + _DEVIATIONS * self._rtt_deviation_s

    def probe(self, now: float) -> int | None:
        """The number of a probe to send now by UDP; None while none is due."""
        self._age(now)
        if now < self.deadline:
            return None
        if self._state is PathState.PROBING:
            self._next_probe = now + self._wait_s
            self._wait_s = min(2 * self._wait_s, _PROBE_MAX_S)
        else:
            is_up = self._state is PathState.UP
            often_s = _DOUBT_PROBE_THIN_S if self._is_thin else _DOUBT_PROBE_S
            self._next_probe = now + (_KEEP_ALIVE_S if is_up else often_s)
        return self.challenge(now)

    def challenge(self, now: float) -> int:
        """The number of a probe that goes with an answer. It cannot be guessed: who answers it has
        received it, at the address that it went to."""
        self._age(now)
        number = 0
        while not number or number in self._outstanding:
            number = secrets.randbits(32)
        self._outstanding[number] = now
        if len(self._outstanding) > _MAX_OUTSTANDING:
            del self._outstanding[next(iter(self._outstanding))]
        return number

    def answered(self, number: int, now: float) -> bool:
        """The peer answers a probe, by UDP; False when there was no such probe."""
        if number not in self._outstanding:
            return False
        self._measure(now - self._outstanding[number])
        while (oldest := next(iter(self._outstanding))) != number:
            del self._outstanding[oldest]
        del self._outstanding[number]
        if now < self._rests_until:
            return True
        self._answers += 1
        is_new = self._failed_at is None or now - self._failed_at > _FORGIVEN_S
        needed = 1 if self._state is PathState.PROBING and is_new else _CONFIRM
        if self._state is not PathState.UP and self._answers >= needed:
            self._enter(PathState.UP, now, _KEEP_ALIVE_S)
        elif self._state is PathState.PROBING:
            self._next_probe, self._wait_s = now, _PROBE_FIRST_S
        return True

    def doubt(self, now: float, *, is_thin: bool = False) -> bool:
        """What goes by UDP is not echoed any more. Whether that is news: audio that is under way
        should then be sent again by the websocket. ``is_thin``: the link has no room for both."""
        if self._state is not PathState.UP:
            return False
        self._is_thin = is_thin
        self._enter(PathState.DOUBTFUL, now, 0.0)
        return True

    def rest(self, now: float, seconds: float) -> None:
        """Carry no audio for so long, whatever is answered."""
        self._rests_until = now + seconds
        self._fail(now)

    def moved(self, now: float) -> None:
        """The peer has another address: what was known is void."""
        if self._state is PathState.PROBING:
            self._enter(PathState.PROBING, now, 0.0)
        else:
            self._fail(now)

    def _measure(self, rtt_s: float) -> None:
        self.least_rtt_s = min(self.least_rtt_s, rtt_s)
        if self._rtt_s is None:
            self._rtt_s, self._rtt_deviation_s = rtt_s, rtt_s / 2
            return
        self._rtt_deviation_s += _DEVIATION_GAIN * (
            abs(rtt_s - self._rtt_s) - self._rtt_deviation_s
        )
        self._rtt_s += _MEAN_GAIN * (rtt_s - self._rtt_s)

    def _age(self, now: float) -> None:
        gave_up = self._state is PathState.DOUBTFUL and now - self._since > _DOUBT_S
        is_silent = self._state is PathState.UP and len(self._outstanding) >= _UNANSWERED
        if gave_up or is_silent:
            self._fail(now)

    def _fail(self, now: float) -> None:
        self.failures += 1
        self._failed_at = now
        self._enter(PathState.PROBING, now, 0.0)

    def _enter(self, state: PathState, now: float, next_probe_s: float) -> None:
        self._state, self._since = state, now
        self._answers = 0
        self._outstanding.clear()
        self._wait_s = _PROBE_FIRST_S
        self._next_probe = now + next_probe_s
