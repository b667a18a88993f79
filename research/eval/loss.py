"""Which packets of a call are lost: the same bursts for every codec, whatever its frame length."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from q2d2_stream.netsim.gilbert_elliott import GilbertElliott
from research.eval.clips import SAMPLE_RATE

__all__ = ["PACKET_SAMPLES", "PacketLoss", "lost_frames"]

# 40 ms: three of our frames, two of Opus', one or two of Codec2's, so that no codec loses
# half a frame and all lose the same speech.
PACKET_SAMPLES = 40 * SAMPLE_RATE // 1000


@dataclass(frozen=True)
class PacketLoss:
    """Bursts of lost packets, the same for every codec.

    Attributes:
        share: mean share of packets lost, 0 to under 1.
        burst: mean length of a loss in packets of 40 ms, at least 1.
        seed: with the clip's name it decides the trace.
    """

    share: float
    burst: float = 1.5
    seed: int = 0

    def __post_init__(self) -> None:
        GilbertElliott(self.share, self.burst)

    def trace(self, samples: int, clip: str) -> npt.NDArray[np.bool_]:
        """True for every packet of 40 ms that is lost, shape ``(ceil(samples / 960),)``."""
        packets = -(-samples // PACKET_SAMPLES)
        draws = np.random.default_rng([self.seed, zlib.crc32(clip.encode())]).random(packets)
        model = GilbertElliott(self.share, self.burst)
        lost = np.zeros(packets, np.bool_)
        bad = False
        for packet, draw in enumerate(draws):
            lost[packet] = bad = model.next(bad, draw)
        return lost


def lost_frames(
    lost: npt.NDArray[np.bool_] | None, frames: int, frame_samples: int
) -> npt.NDArray[np.bool_]:
    """Whether each frame is lost, shape ``(frames,)``, from a trace of packets (None: no loss).

    A frame of ``frame_samples`` at 24 kHz is in the packet in which it begins; frames after the
    trace's end arrive.
    """
    if lost is None:
        return np.zeros(frames, np.bool_)
    packet = np.arange(frames) * frame_samples // PACKET_SAMPLES
    return np.append(lost, False)[np.minimum(packet, len(lost))]
