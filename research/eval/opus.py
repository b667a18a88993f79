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
    """Opus for voice: 20 ms frames, variable rate, complexity 10.

    Attributes:
        kbps: target bitrate in kilobits per second, 6 to 510.
        fec_loss: share of lost packets that its in-band forward error correction is told to expect;
            None for no correction.
    """

    kbps: float
    fec_loss: float | None = None

    @property
    def name(self) -> str:
        """ "opus6", "opus6_fec10" and so on."""
        fec = "" if self.fec_loss is None else f"_fec{100 * self.fec_loss:g}"
        return f"opus{self.kbps:g}{fec}"

    @property
    def title(self) -> str:
        """The target rate."""
        fec = "" if self.fec_loss is None else f", FEC for {100 * self.fec_loss:g} % loss"
        return f"Opus {self.kbps:g} kbps{fec}"

    @property
    def latency_ms(self) -> float:
        """A frame of 20 ms and the encoder's look-ahead of 6.5 ms; the next packet with FEC."""
        return 26.5 if self.fec_loss is None else 46.5

    def key(self) -> str:
        """The version of libopus and the settings."""
        fec = "" if self.fec_loss is None else f" fec {self.fec_loss:g}"
        return f"{OpusStream.version()} voip 20 ms vbr complexity 10 {self.kbps:g} kbps{fec}"

    def roundtrip(
        self, pcm: npt.NDArray[np.float32], lost: npt.NDArray[np.bool_] | None = None
    ) -> Coded:
        """Encode, lose, decode. Lost packets are mended from the next one where that repeats them,
        and concealed by libopus otherwise."""
        with OpusStream(self.kbps, fec_loss=self.fec_loss) as opus:
            delay = opus.delay_samples
            frames = -(-(len(pcm) + delay) // OPUS_FRAME_SAMPLES)
            padded = fit(pcm, 0, frames * OPUS_FRAME_SAMPLES).reshape(frames, -1)
            gone = lost_frames(lost, frames, OPUS_FRAME_SAMPLES)
            started = time.process_time()
            packets = [opus.encode(source) for source in padded]
            came = [
                None if missing else packet for packet, missing in zip(packets, gone, strict=True)
            ]
            mends = self.fec_loss is not None
            out = np.zeros_like(padded)
            for frame, (packet, after) in enumerate(zip(came, [*came[1:], None], strict=True)):
                if packet is None and after is not None and mends:
                    out[frame] = opus.decode(after, before=True)
                else:
                    out[frame] = opus.decode(packet)
            seconds = time.process_time() - started
            octets = sum(map(len, packets))
        bits = 8.0 * octets * len(pcm) / (frames * OPUS_FRAME_SAMPLES)
        return Coded(fit(out.reshape(-1), delay, len(pcm)), bits, seconds)
