"""Samples that no microphone gives: one policy for them, at every rate and in every command.

| samples | what happens |
|---|---|
| not a number, infinite | silence in their place, and a warning |
| above 4 times full scale | refused: the unit is wrong, most often 16-bit numbers in a float file |
| up to that, from 1.5 on | clipped at full scale, and a warning |
| up to that | clipped at full scale: what decoders of lossy formats make of loud sound |
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.errors import InputError

__all__ = ["LOUDEST", "SampleCheck"]

LOUDEST = 4.0
_CLIPPED = 1.5


class SampleCheck:
    """Looks at a file's samples before anything is computed of them.

    Args:
        name: of the file, for sentences.
        sample_rate: samples per second.
    """

    def __init__(self, name: str, sample_rate: int) -> None:
        self._name = name
        self._sample_rate = sample_rate
        self._at = 0
        self._no_numbers, self._first_no_number = 0, 0
        self._peak, self._first_loud = 0.0, 0

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take ``(n, channels)`` and give back as many finite samples of at most LOUDEST.

        Raises:
            InputError: a sample is beyond that; the sentence says where.
        """
        finite = np.isfinite(block)
        if not finite.all():
            bad = ~finite.all(axis=1)
            if not self._no_numbers:
                self._first_no_number = self._at + int(bad.argmax())
            self._no_numbers += int(bad.sum())
            block = np.where(finite, block, np.float32(0))
        magnitude = np.abs(block)
        peak = float(magnitude.max(initial=0.0))
        if peak > LOUDEST:
            at = int((magnitude > LOUDEST).any(axis=1).argmax())
            raise InputError(
                f"{self._name} reaches {magnitude[at].max():g} at {self._seconds(self._at + at)}, "
                "expected samples from -1 to 1: divide 16-bit samples by 32768"
            )
        if peak > _CLIPPED and peak > self._peak:
            if not self._peak:
                self._first_loud = self._at + int((magnitude > _CLIPPED).any(axis=1).argmax())
            self._peak = peak
        self._at += len(block)
        return block

    def warnings(self) -> list[str]:
        """What was found so far, a sentence each."""
        found = []
        if self._no_numbers:
            found.append(
                f"{self._name} holds {self._no_numbers} times no finite number, first at "
                f"{self._seconds(self._first_no_number)}: that became silence"
            )
        if self._peak:
            found.append(
                f"{self._name} reaches {self._peak:.1f} times full scale, from "
                f"{self._seconds(self._first_loud)} on: it is clipped there"
            )
        return found

    def _seconds(self, sample: int) -> str:
        return f"{sample / self._sample_rate:.2f} s"
