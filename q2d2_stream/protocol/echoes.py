"""What each side tells the other of the audio that has come, so that the sender knows its link.

An echo names the newest message and how long it has been here. It rides on the audio that goes the
other way, or goes alone where there is none.
"""

from __future__ import annotations

from collections import OrderedDict

from q2d2_stream.protocol.messages import Echo
from q2d2_stream.protocol.sequence import add, distance

__all__ = ["Echoes"]

_MAX_OUTSTANDING = 512
_LOW = 0xFFFF


class Echoes:
    """Makes echoes of what comes, and reads those of what was sent; ``now`` in seconds.

    Args:
        ride_s: least time between echoes that ride on audio.
        alone_s: how long an echo waits for audio to ride on.

    Attributes:
        rtt_s: the latest round trip of a message; None before the first.
        heard_at: when the latest echo came; None before the first.
    """

    def __init__(self, ride_s: float, alone_s: float) -> None:
        self.rtt_s: float | None = None
        self.heard_at: float | None = None
        self._ride_s = ride_s
        self._alone_s = alone_s
        self._sent: OrderedDict[int, float] = OrderedDict()
        self._newest: int | None = None
        self._untold: tuple[int, float] | None = None  # sequence number, when it came
        self._told_at = float("-inf")

    # -- what has come --------------------------------------------------------------------------

    def received(self, sequence: int, now: float) -> None:
        """The message from ``sequence`` on has come."""
        if self._newest is None or distance(self._newest, sequence) > 0:
            self._newest = sequence
            self._untold = sequence, now

    def to_ride(self, now: float) -> Echo | None:
        """What audio that goes now should carry."""
        return self._tell(now) if now >= self._told_at + self._ride_s else None

    @property
    def deadline(self) -> float | None:
        """When an echo must go alone; None when there is none to tell."""
        if self._untold is None:
            return None
        return max(self._untold[1], self._told_at) + self._alone_s

    def to_go_alone(self, now: float) -> Echo | None:
        """The echo that found nothing to ride on, once :attr:`deadline` has passed."""
        deadline = self.deadline
        return self._tell(now) if deadline is not None and now >= deadline else None

    def _tell(self, now: float) -> Echo | None:
        if self._untold is None:
            return None
        (sequence, came_at), self._untold = self._untold, None
        self._told_at = now
        return Echo(sequence, now - came_at)

    # -- what was sent --------------------------------------------------------------------------

    def sent(self, sequence: int, now: float) -> None:
        """The message from ``sequence`` on was sent."""
        self._sent[sequence] = now
        if len(self._sent) > _MAX_OUTSTANDING:
            self._sent.popitem(last=False)

    def heard(self, echo: Echo, now: float) -> Echo | None:
        """The echo with its whole sequence number; None when no such message is outstanding."""
        newest = next(reversed(self._sent), None)
        if newest is None:
            return None
        behind = (newest - echo.sequence) & _LOW
        sequence = add(newest, -behind)
        sent_at = self._sent.get(sequence)
        if sent_at is None:
            return None
        while self._sent:
            oldest, _ = self._sent.popitem(last=False)
            if oldest == sequence:
                break
        self.rtt_s = max(0.0, now - sent_at - echo.held_s)
        self.heard_at = now
        return Echo(sequence, echo.held_s)
