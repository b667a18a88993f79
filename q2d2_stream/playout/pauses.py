"""From speech to the background and back: what is heard while nothing is decoded."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.playout.comfort import ComfortNoise

__all__ = ["Decoder", "Pauses"]

Pcm = NDArray[np.float32]


class Decoder(Protocol):
    """What the playout needs of a codec's decoder."""

    def push(self, indices: NDArray[np.uint8] | None) -> Pcm:
        """Decodes one frame, or conceals a lost one (None), to float32, shape ``(320,)``."""

    def seek(self, number: int) -> None:
        """Says which of the sender's frames comes next, lost ones counted."""

    def reset(self) -> None:
        """Forgets the past."""


class Pauses:
    """Decodes, and cross-fades with comfort noise at equal power where speech begins or ends.

    Args:
        decoder: freshly reset.
        seed: of the noise.

    Attributes:
        gain: of the decoder, 0 to 1; the rest is comfort noise.
        has_tail: whether the decoder still holds the end of a spurt.
        noise_samples: samples of pauses.
    """

    def __init__(self, decoder: Decoder, seed: int) -> None:
        self.gain, self.has_tail, self.noise_samples = 1.0, False, 0
        self._decoder, self._noise = decoder, ComfortNoise(seed)
        self._is_fresh = True  # the decoder has not been used since its first reset

    def restart(self) -> None:
        """Another stream follows: it begins out of the noise."""
        self.has_tail = False
        self.gain = 1.0 if self._is_fresh else 0.0

    def decode(self, indices: NDArray[np.uint8] | None, number: int | None = None) -> Pcm:
        """One frame as the decoder makes it; ``number`` is its number, unless it was lost."""
        self._is_fresh = False
        if number is not None:
            self._decoder.seek(number)
        return self._decoder.push(indices)

    def observe(self, pcm: Pcm) -> bool:
        """Learn the background from a frame that was received; whether it was background."""
        return self._noise.observe(pcm)

    def end(self) -> None:
        """A pause is over."""
        if not self.has_tail and not self._is_fresh:
            # After a pause the decoder's state is of another time; its initial one is sound.
            self._decoder.reset()
        self.has_tail = False

    def generate(self, samples: int) -> Pcm:
        """The next piece of a pause."""
        noise = self._noise.generate(samples)
        if self.has_tail:
            # The decoder trails by a frame: its next concealment is the end of the spurt.
            fall = np.linspace(self.gain, 0.0, samples, endpoint=False, dtype=np.float32)
            noise = self._decoder.push(None)[:samples] * fall + noise * np.sqrt(1.0 - fall * fall)
            self.has_tail = False
            self.gain = 0.0
        self.noise_samples += samples
        return noise

    def fade(self, pcm: Pcm, goal: float, ramp: int) -> Pcm:
        """``pcm`` with its gain going to ``goal`` in ``ramp`` samples, noise in its place."""
        if self.gain == goal == 1.0:
            return pcm
        gain = np.full(len(pcm), goal, np.float32)
        gain[:ramp] = np.linspace(self.gain, goal, ramp, endpoint=False, dtype=np.float32)
        self.gain = goal
        mixed: Pcm = pcm * gain + self._noise.generate(len(pcm)) * np.sqrt(1.0 - gain * gain)
        return mixed
