"""Cutting a stream of samples into other block lengths."""

from __future__ import annotations

import numpy as np

from q2d2_stream.audio.stream import Pcm

__all__ = ["Fifo"]


class Fifo:
    """Samples in by any number, out by any other; for one thread.

    It holds what its caller has not popped: callers push only while they want to pop.
    """

    def __init__(self, initial_samples: int = 0) -> None:
        self._held: Pcm = np.zeros(initial_samples, np.float32)

    def __len__(self) -> int:
        """Samples held."""
        return len(self._held)

    def push(self, pcm: Pcm) -> None:
        """Append samples, shape ``(n,)``."""
        self._held = np.concatenate((self._held, pcm))

    def pop(self, samples: int) -> Pcm | None:
        """The oldest ``samples`` samples, or None while there are fewer."""
        if len(self._held) < samples:
            return None
        out, self._held = self._held[:samples], self._held[samples:]
        return out
