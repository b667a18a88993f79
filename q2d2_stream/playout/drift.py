"""Clock drift: by how much two sound cards disagree about the length of a second.

Messages are only ever late, never early, so the drift shows in the lower envelope of (arrival -
sender time): one minimum per 2.5 s, and the median of the slopes between minima that lie half a
minute to a few minutes apart (Theil-Sen on the envelope). A change of route is a step that few of
those pairs straddle, so the median does not see it.

How the drift is corrected. 200 ppm are 12 ms a minute. A fractional resampler would have to run
all the time, change every sample of every call and cost more than the jitter buffer itself. So
nothing is done until the delay has left the band around its target; then :mod:`.stretch` removes
or repeats one pitch period, about once in half a minute, and a call between clocks that agree
stays bit-identical to the decoder's output. The estimate itself keeps the delay estimator's base
true over long pauses, and is reported.
"""

from __future__ import annotations

from collections import deque

import numpy as np

__all__ = ["DriftEstimator"]

_SEGMENT_S = 2.5
_SEGMENTS = 120  # five minutes
_LAGS = (12, 24, 48, 72)  # segments between the two ends of a slope: 30 s to 3 min
_LIMIT_PPM = 500.0  # crystals stay within 200; more is a queue that grows, not a clock


class DriftEstimator:
    """Drift of a media clock against the clock that ``now`` is read from."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets everything, for a media clock that starts anew."""
        self._minima: deque[tuple[float, float]] = deque(maxlen=_SEGMENTS)
        self._start: float | None = None
        self._low_time, self._low = 0.0, 0.0
        self._ppm = 0.0

    @property
    def ppm(self) -> float:
        """Parts per million by which the media clock is fast; 0 until half a minute has passed."""
        return self._ppm

    def put(self, media_s: float, now: float) -> None:
        """Takes one observation: the media time ``media_s`` was seen at ``now``, both in seconds.

        Observations may be late by any amount; the envelope takes care of it.
        """
        lateness = now - media_s
        if self._start is None:
            self._start, self._low_time, self._low = now, now, lateness
        elif now - self._start >= _SEGMENT_S:
            self._minima.append((self._low_time, self._low))
            self._estimate()
            self._start, self._low_time, self._low = now, now, lateness
        elif lateness < self._low:
            self._low_time, self._low = now, lateness

    def _estimate(self) -> None:
        if len(self._minima) <= _LAGS[0]:
            return
        times, lows = np.asarray(self._minima).T
        # The longest two lags that the history allows: precise, and still many pairs.
        lags = [lag for lag in _LAGS if lag < len(times)][-2:]
        slopes = np.concatenate(
            [(lows[lag:] - lows[:-lag]) / (times[lag:] - times[:-lag]) for lag in lags]
        )
        ppm = -1e6 * float(np.median(slopes))
        self._ppm = min(max(ppm, -_LIMIT_PPM), _LIMIT_PPM)
