"""Frames that wait to be sent: bounded, the oldest dropped first, every drop counted."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np

from q2d2_stream.errors import InputError
from q2d2_stream.frames import AudioFrames
from q2d2_stream.packet import PacketCoder
from q2d2_stream.protocol.registry import Call
from q2d2_stream.protocol.sequence import add
from q2d2_stream.sending.dtx import SpurtFrame

__all__ = ["SendQueue"]


class SendQueue:
    """Numbers frames as they come and groups them into messages.

    A dropped frame keeps its number, so the receiver sees a gap and conceals it.

    Args:
        call: gives the sequence numbers, which go on over reconnections.
        packets: makes the messages' packets; None leaves it to whoever sends them.
        max_frames: frames kept, at least 8; 38 is half a second.
    """

    def __init__(
        self, call: Call, packets: PacketCoder | None = None, *, max_frames: int = 38
    ) -> None:
        if max_frames < 8:
            raise InputError(f"max_frames is {max_frames}, expected at least 8")
        self._call = call
        self._packets = packets
        self._max_frames = max_frames
        self._frames: deque[tuple[int, SpurtFrame]] = deque()
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def dropped(self) -> int:
        """Frames dropped since the beginning."""
        return self._dropped

    def push(self, frame: SpurtFrame) -> None:
        """Add a frame; drops the oldest when full."""
        self._frames.append((self._call.take_sequence(), frame))
        self.drop_oldest(len(self._frames) - self._max_frames)

    def drop_oldest(self, frames: int) -> None:
        """Drop ``frames`` frames, or as many as there are."""
        for _ in range(min(frames, len(self._frames))):
            sequence, frame = self._frames.popleft()
            self._dropped += 1
            if frame.start and self._frames and self._frames[0][0] == add(sequence, 1):
                following, heir = self._frames[0]
                # The talk spurt now begins with the frame after, unless that is already silence.
                if not heir.dtx:
                    self._frames[0] = (following, replace(heir, start=True))

    def take(self, frames: int) -> AudioFrames | None:
        """The next message of ``frames`` frames, 1 to 8; None when there are not enough yet.

        A message is shorter where the rate changes, a spurt ends or silence was left out.
        """
        taken: list[SpurtFrame] = []
        complete = False
        for _, frame in self._frames:
            if len(taken) == frames or (taken and not _follows(taken[-1], frame)):
                complete = True
                break
            taken.append(frame)
        if not taken or not (complete or len(taken) == frames or taken[-1].end or taken[-1].dtx):
            return None
        sequence = self._frames[0][0]
        for _ in taken:
            self._frames.popleft()
        indices = np.stack([frame.indices for frame in taken])
        return AudioFrames(
            sequence=sequence,
            timestamp=taken[0].timestamp,
            indices=indices,
            start=taken[0].start,
            end=taken[-1].end,
            dtx=taken[0].dtx,
            packet=self._packets.encode(indices) if self._packets is not None else None,
        )


def _follows(last: SpurtFrame, frame: SpurtFrame) -> bool:
    """Whether both fit into one message."""
    return (
        frame.timestamp == add(last.timestamp, 1)
        and frame.indices.shape == last.indices.shape
        and not (last.end or last.dtx or frame.start or frame.dtx)
    )
