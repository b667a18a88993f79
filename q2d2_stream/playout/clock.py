"""The speaker's clock: when the next pulled sample will sound, free of the callbacks' jitter."""

from __future__ import annotations

__all__ = ["PullClock"]

_GAIN = 0.02  # follows within 50 pulls; 200 ppm of drift leave an error of 0.1 ms
_JUMP_S = 0.1  # a device that stood still for longer than this did not play meanwhile


class PullClock:
    """A first-order loop that follows the times of the pulls.

    Args:
        sample_rate: samples per second.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._time: float | None = None

    def pull(self, now: float, samples: int) -> float:
        """Smoothed time of a pull of ``samples`` at ``now``, in seconds."""
        if self._time is None or abs(now - self._time) > _JUMP_S:
            time = now
        else:
            time = self._time + _GAIN * (now - self._time)
        self._time = time + samples / self._rate
        return time
