"""The sound that has been made and not yet pulled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.playout.stretch import HISTORY_SAMPLES

__all__ = ["Output"]

Pcm = NDArray[np.float32]


class Output:
    """Samples in by any number, out by any other.

    Attributes:
        history: the last 320 samples put in, pulled or not, which
            :func:`q2d2_stream.playout.stretch.expand` continues.
    """

    def __init__(self) -> None:
        self.history: Pcm = np.zeros(HISTORY_SAMPLES, np.float32)
        self._pieces: list[Pcm] = []
        self._samples = 0

    def __len__(self) -> int:
        """Samples held."""
        return self._samples

    def put(self, pcm: Pcm) -> None:
        """Append samples, shape ``(n,)``."""
        self._pieces.append(pcm)
        self._samples += len(pcm)
        if len(pcm) >= HISTORY_SAMPLES:
            self.history = pcm[-HISTORY_SAMPLES:]
        else:
            self.history = np.concatenate((self.history[len(pcm) :], pcm))

    def pull(self, samples: int) -> Pcm:
        """The oldest ``samples`` samples, of which there must be as many."""
        head = self._pieces[0]
        if len(self._pieces) == 1 and len(head) == samples:
            self._pieces.clear()
        else:
            joined = np.concatenate(self._pieces)
            head = joined[:samples]
            self._pieces = [joined[samples:]]
        self._samples -= samples
        return head
