"""Discontinuous transmission, sending side: leave silence out without clipping word beginnings.

    detector   . . . . V V V . . . . . . . . . . . . . .
    sent       . p p p V V V h h h h . . . . k . . . . k     p pre-roll, h hangover, k keep-alive
                 ^start            ^end      ^dtx

A detector needs a few frames of a word before it believes it, so the last frames are kept back
and go first when it does. They arrive in one burst; the receiver, which plays noise at that
moment, places them by their timestamps.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.errors import InputError
from q2d2_stream.protocol.sequence import add

__all__ = ["Dtx", "DtxOptions", "SpurtFrame", "VoiceDetector"]


class VoiceDetector(Protocol):
    """Says of every frame whether it holds voice, from it and the frames before it."""

    def is_voice(self, pcm: NDArray[np.float32]) -> bool:
        """Judge the next frame: float32 of shape ``(320,)``, -1 to 1, 24 kHz."""

    def reset(self) -> None:
        """Forget the frames before."""


@dataclass(frozen=True)
class DtxOptions:
    """Lengths in frames of 13.3 ms.

    Attributes:
        preroll_frames: frames sent from before the detector's first voiced one, 0 to 64.
        hangover_frames: unvoiced frames sent after the last voiced one, at least 1.
        keepalive_frames: in silence, one frame of every so many is sent, at least 2.
    """

    preroll_frames: int = 8
    hangover_frames: int = 30
    keepalive_frames: int = 30

    def __post_init__(self) -> None:
        if not 0 <= self.preroll_frames <= 64:
            raise InputError(f"preroll_frames is {self.preroll_frames}, expected 0 to 64")
        if self.hangover_frames < 1:
            raise InputError(f"hangover_frames is {self.hangover_frames}, expected at least 1")
        if self.keepalive_frames < 2:
            raise InputError(f"keepalive_frames is {self.keepalive_frames}, expected at least 2")


@dataclass(frozen=True, eq=False)
class SpurtFrame:
    """A frame that is to be sent.

    Attributes:
        timestamp: number of the frame among those captured, modulo 2**32.
        indices: uint8 of shape ``(pairs,)``.
        start, end, dtx: see :class:`q2d2_stream.protocol.events.AudioFrames`.
    """

    timestamp: int
    indices: NDArray[np.uint8]
    start: bool = False
    end: bool = False
    dtx: bool = False


class Dtx:
    """Chooses the frames to send; with ``options`` None it sends all of them."""

    def __init__(self, options: DtxOptions | None, timestamp: int = 0) -> None:
        self._options = options
        self._timestamp = timestamp
        self._held: deque[SpurtFrame] = deque()
        self._hangover_left = 0
        self._silent_frames = 0
        self._in_spurt = False

    @property
    def timestamp(self) -> int:
        """Timestamp of the next frame."""
        return self._timestamp

    @property
    def in_spurt(self) -> bool:
        """Whether a talk spurt is being sent."""
        return self._in_spurt

    def push(self, indices: NDArray[np.uint8], voiced: bool) -> list[SpurtFrame]:
        """The next captured frame, shape ``(pairs,)``; the frames to send now, oldest first.

        ``voiced`` is the detector's word on it, ignored when every frame is sent.
        """
        timestamp = self._timestamp
        self._timestamp = add(timestamp, 1)
        if self._options is None:
            start, self._in_spurt = not self._in_spurt, True
            return [SpurtFrame(timestamp, indices, start=start)]
        if voiced:
            self._hangover_left = self._options.hangover_frames
            if not self._in_spurt:
                self._in_spurt = True
                return self._start([*self._held, SpurtFrame(timestamp, indices)])
            return [SpurtFrame(timestamp, indices)]
        if self._in_spurt:
            self._hangover_left -= 1
            self._in_spurt = self._hangover_left > 0
            self._silent_frames = 0
            return [SpurtFrame(timestamp, indices, end=not self._in_spurt)]
        self._held.append(SpurtFrame(timestamp, indices))
        if len(self._held) <= self._options.preroll_frames:
            return []
        # The keep-alive is the frame that leaves the pre-roll: a word that begins now has all of
        # its pre-roll still, and timestamps never run backwards.
        oldest = self._held.popleft()
        self._silent_frames += 1
        if self._silent_frames % self._options.keepalive_frames:
            return []
        return [replace(oldest, dtx=True)]

    def _start(self, frames: list[SpurtFrame]) -> list[SpurtFrame]:
        self._held.clear()
        return [replace(frames[0], start=True), *frames[1:]]
