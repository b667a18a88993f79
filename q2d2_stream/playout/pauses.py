"""From speech to the background and back: what is heard while nothing is decoded."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import FRAME_SAMPLES
from q2d2_stream.playout.comfort import ComfortNoise

__all__ = ["Decoder", "Pauses"]

Pcm = NDArray[np.float32]


class Decoder(Protocol):
    """What the playout needs of a codec's decoder."""

    @property
    def delay_samples(self) -> int:
        """By how much its output trails the sender's sound now: it may grow when a rate changes."""

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
        noise_samples: samples of pauses.
    """

    def __init__(self, decoder: Decoder, seed: int) -> None:
        self.gain, self.noise_samples = 1.0, 0
        self._tail = 0  # frames of a spurt that the decoder still holds
        self._decoder, self._noise = decoder, ComfortNoise(seed)
        self._is_fresh = True  # the decoder has not been used since its first reset

    def restart(self) -> None:
        """Another stream follows: it begins out of the noise."""
        self._tail = 0
        self.gain = 1.0 if self._is_fresh else 0.0

    @property
    def delay_samples(self) -> int:
        """Of the decoder."""
        return self._decoder.delay_samples

    @property
    def has_tail(self) -> bool:
        """Whether the decoder still holds the end of a spurt."""
        return self._tail > 0

    def begin(self, *, tail: bool) -> None:
        """A pause begins; with ``tail`` the end of what was said is yet to be heard."""
        self._tail = self.delay_samples // FRAME_SAMPLES if tail else 0

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
        self._tail = 0

    def generate(self, samples: int) -> Pcm:
        """The next piece of a pause, a frame at most."""
        noise = self._noise.generate(samples)
        if self.has_tail:
            # The decoder trails by a frame or two: its next concealments are the end of the spurt.
            self._tail = self._tail - 1 if samples == FRAME_SAMPLES else 0
            goal = self.gain * self._tail / (self._tail + 1)
            fall = np.linspace(self.gain, goal, samples, endpoint=False, dtype=np.float32)
            noise = self._decoder.push(None)[:samples] * fall + noise * np.sqrt(1.0 - fall * fall)
            self.gain = goal
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
