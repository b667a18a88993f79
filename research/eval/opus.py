"""Opus (RFC 6716) as a baseline, with its own concealment, through libopus."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from q2d2_stream.cli.libopus import OPUS_FRAME_SAMPLES, OpusStream
from research.eval.codecs import Coded, fit
from research.eval.loss import lost_frames

__all__ = ["OpusCodec"]


@dataclass(frozen=True)
class OpusCodec:
    """Opus for voice: 20 ms frames, variable rate, complexity 10, no forward error correction.

    Attributes:
        kbps: target bitrate in kilobits per second, 6 to 510.
    """

    kbps: float

    @property
    def name(self) -> str:
        """ "opus6" and so on."""
        return f"opus{self.kbps:g}"

    @property
    def title(self) -> str:
        """The target rate."""
        return f"Opus {self.kbps:g} kbps"

    @property
    def latency_ms(self) -> float:
        """A frame of 20 ms and the encoder's look-ahead of 6.5 ms."""
        return 26.5

    def key(self) -> str:
        """The version of libopus and the settings."""
        return f"{OpusStream.version()} voip 20 ms vbr complexity 10 {self.kbps:g} kbps"

    def roundtrip(
        self, pcm: npt.NDArray[np.float32], lost: npt.NDArray[np.bool_] | None = None
    ) -> Coded:
        """Encode, lose, decode; lost packets are concealed by libopus (``opus_decode(NULL)``)."""
        with OpusStream(self.kbps) as opus:
            delay = opus.delay_samples
            frames = -(-(len(pcm) + delay) // OPUS_FRAME_SAMPLES)
            padded = fit(pcm, 0, frames * OPUS_FRAME_SAMPLES).reshape(frames, -1)
            gone = lost_frames(lost, frames, OPUS_FRAME_SAMPLES)
            out = np.zeros_like(padded)
            octets = 0
            started = time.process_time()
            for frame, (source, missing) in enumerate(zip(padded, gone, strict=True)):
                packet = opus.encode(source)
                octets += len(packet)
                out[frame] = opus.decode(None if missing else packet)
            seconds = time.process_time() - started
        bits = 8.0 * octets * len(pcm) / (frames * OPUS_FRAME_SAMPLES)
        return Coded(fit(out.reshape(-1), delay, len(pcm)), bits, seconds)
