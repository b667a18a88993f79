"""What a call reads its voice from and plays the other side's voice to: `Source` and `Sink`.

Both are driven by the side that owns the clock. A source hands over a frame when its device (or
its paced file) has one; a sink says when its device wants the next one:

    async def talk(source):                        async def listen(sink):
        while (pcm := await source.read()) is not None:    while True:
            send(encoder.push(pcm))                            await sink.ready()
                                                               sink.write(playout.pull(now, 320))

So the sound card's clock pulls the playout, and nothing in between keeps time of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import FRAME_SAMPLES, SAMPLE_RATE

__all__ = ["FRAME_SAMPLES", "SAMPLE_RATE", "Pcm", "Sink", "Source", "StreamStats"]

Pcm: TypeAlias = NDArray[np.float32]
"""Mono samples, shape ``(n,)``, 24 kHz, nominal range -1 to 1."""


@dataclass
class StreamStats:
    """What a source or sink has done and what went wrong; every field only ever grows.

    Attributes:
        frames: frames handed over (source) or writes taken (sink).
        xruns: over- or underflows that the sound driver itself reported.
        dropped_samples: samples thrown away because a buffer was full, at the device's rate.
        missing_samples: samples of silence played because nothing had been written in time, at
            the device's rate.
        underruns: times the sink's buffer ran dry.
        absent_frames: frames of silence read, or frames discarded, while the device was gone.
        losses: times the device disappeared.
    """

    frames: int = 0
    xruns: int = 0
    dropped_samples: int = 0
    missing_samples: int = 0
    underruns: int = 0
    absent_frames: int = 0
    losses: int = 0


class _Endpoint(ABC):
    """What sources and sinks have in common; entering one starts it, leaving closes it.

    Attributes:
        stats: what it has done so far.
    """

    stats: StreamStats

    @property
    @abstractmethod
    def name(self) -> str:
        """What a person calls it: the device's or the file's name."""

    @property
    @abstractmethod
    def latency_ms(self) -> float:
        """How long a sample takes between here and the air, as far as is known; 0 for a file."""

    @abstractmethod
    async def start(self) -> None:
        """Open it. Raises DeviceError or InputError, in one sentence."""

    @abstractmethod
    async def close(self) -> None:
        """Release it, a sink when what it took is played or written; again does nothing."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class Source(_Endpoint):
    """Where pcm comes from: a microphone, a file, silence. Use from one asyncio task."""

    @abstractmethod
    async def read(self) -> Pcm | None:
        """The next frame, shape ``(320,)``, when it is due; None after the end, for ever."""


class Sink(_Endpoint):
    """Where pcm goes: a loudspeaker, a file, nowhere. Use from one asyncio task."""

    @abstractmethod
    async def ready(self) -> None:
        """Return when the next frame is wanted."""

    @abstractmethod
    def write(self, pcm: Pcm) -> None:
        """Take samples of shape ``(n,)``, normally the 320 that `ready` asked for. Never blocks;
        what does not fit is dropped and counted."""
