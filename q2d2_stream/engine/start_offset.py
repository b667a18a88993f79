"""The constant offset that cheap sound cards and old recordings have, at the start of a stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["StartOffset"]

_HARMLESS = 0.05  # an offset that the codec begins with in silence; speech has less in a frame
_DECAY_S = 0.2


class StartOffset:
    """Lets an offset come in slowly: as a step it would be a bang.

    The encoder hears no constant, so the offset itself is no trouble. What is subtracted is the
    first frame's mean beyond .05 of full scale, and it decays with a time constant of 200 ms;
    streams without an offset are left exactly as they are.

    Args:
        sample_rate: samples per second.
    """

    def __init__(self, sample_rate: int) -> None:
        self._decay = float(np.exp(-1 / (_DECAY_S * sample_rate)))
        self._offset: float | None = None

    def remove(self, pcm: NDArray[np.float32], frame_samples: int) -> NDArray[np.float32]:
        """The next samples ``(n,)``, at least a frame at first."""
        if self._offset is None:
            mean = float(pcm[:frame_samples].mean())
            self._offset = float(np.sign(mean)) * max(0.0, abs(mean) - _HARMLESS)
        if abs(self._offset) < 1e-4:
            return pcm
        decayed = self._offset * self._decay ** np.arange(len(pcm) + 1)
        self._offset = float(decayed[-1])
        return pcm - decayed[:-1].astype(np.float32)
