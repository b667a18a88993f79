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

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeAlias

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


class Source(Protocol):
    """Where pcm comes from: a microphone, a file, silence. Use from one asyncio task."""

    stats: StreamStats

    @property
    def name(self) -> str:
        """What a person calls it: the device's or the file's name."""

    @property
    def latency_ms(self) -> float:
        """How old a sample is when `read` returns it, as far as is known; 0 for a file."""

    async def start(self) -> None:
        """Open it. Raises DeviceError or InputError, in one sentence."""

    async def read(self) -> Pcm | None:
        """The next frame, shape ``(320,)``, when it is due; None after the end, for ever."""

    async def close(self) -> None:
        """Release it; a second call does nothing."""

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


class Sink(Protocol):
    """Where pcm goes: a loudspeaker, a file, nowhere. Use from one asyncio task."""

    stats: StreamStats

    @property
    def name(self) -> str:
        """What a person calls it: the device's or the file's name."""

    @property
    def latency_ms(self) -> float:
        """How long from `write` until a sample is heard, as far as is known; 0 for a file."""

    async def start(self) -> None:
        """Open it. Raises DeviceError or InputError, in one sentence."""

    async def ready(self) -> None:
        """Return when the next frame is wanted."""

    def write(self, pcm: Pcm) -> None:
        """Take samples of shape ``(n,)``, normally the 320 that `ready` asked for. Never blocks;
        what does not fit is dropped and counted."""

    async def close(self) -> None:
        """Play or write out what was taken, then release it; a second call does nothing."""

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
