"""When to stretch: the delay may leave its target by a band, and splices keep their distance."""

from __future__ import annotations

__all__ = ["StretchController"]

# The delay may leave its target by this much before it is corrected (hysteresis): wider above,
# where it costs some delay, than below, where it costs frames.
_ABOVE_S, _ABOVE_SHARE = 0.020, 0.10
_BELOW_S = 0.006
_STRETCH_SHARE = 0.15  # of speech that may be left out or repeated
_STRETCH_SHARE_QUIET = 0.5


class StretchController:
    """Steers the delay of one stream to its target; told of every frame and of every splice."""

    def __init__(self) -> None:
        self._direction = 0
        self._hold_samples = 0  # until the next splice

    def stop(self) -> None:
        """What was under way ends, as at a pause: the delay is set anew after it."""
        self._direction = 0

    def direction(self, excess_s: float, target_s: float, samples: int) -> int:
        """What to do to the next ``samples`` samples: -1 shorten, 1 lengthen, 0 leave alone.

        Args:
            excess_s: the delay less its target.
            target_s: that target.
            samples: in the frame.
        """
        if excess_s > max(_ABOVE_S, _ABOVE_SHARE * target_s):
            self._direction = -1
        elif excess_s < -_BELOW_S:
            self._direction = 1
        elif excess_s * self._direction >= 0:
            self._direction = 0  # it has reached the target or gone past it
        self._hold_samples = max(0, self._hold_samples - samples)
        return 0 if self._hold_samples else self._direction

    def stretched(self, samples: int, *, quiet: bool) -> None:
        """So many samples were left out or repeated, of background only if ``quiet``."""
        self._hold_samples = int(samples / (_STRETCH_SHARE_QUIET if quiet else _STRETCH_SHARE))
