"""Changing the sample rate of a stream, block by block, and mixing it down to mono."""

from __future__ import annotations

from typing import Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from q2d2_stream.audio.stream import Pcm
from q2d2_stream.errors import InputError

__all__ = ["StreamResampler", "to_mono"]


def to_mono(block: NDArray[np.float32]) -> Pcm:
    """The mean of the channels: ``(n, channels)`` to ``(n,)``.

    The mean, since a voice may be on any one of the channels.
    """
    if block.shape[1] == 1:
        return block[:, 0]
    return np.asarray(block.mean(axis=1), dtype=np.float32)


class StreamResampler:
    """Mono samples in at one rate, out at another; what comes out does not depend on the blocks.

    soxr's ordinary mode works in blocks of up to 40 ms: right for files, and a disaster in a
    call. Its variable-rate mode holds back 240 input samples (5 ms at 48 kHz, 10 ms at 24 kHz)
    at the same quality (aliases and images below -115 dB, measured), so live streams use that.

    Args:
        in_rate, out_rate: samples per second; equal rates pass the samples through untouched.
        mode: "live" for a sound card, "file" where delay does not matter.
    """

    def __init__(self, in_rate: int, out_rate: int, mode: Literal["live", "file"] = "live") -> None:
        if in_rate < 1 or out_rate < 1:
            raise InputError(f"sample rates are {in_rate} and {out_rate}, expected positive ones")
        self._in_rate = in_rate
        self._out_rate = out_rate
        self._in_samples = 0
        self._out_samples = 0
        self._stream = None
        if in_rate != out_rate:
            self._stream = soxr.ResampleStream(in_rate, out_rate, 1, "float32", vr=mode == "live")

    @property
    def held_ms(self) -> float:
        """How much sound is inside: put in and not yet come out."""
        held_s = self._in_samples / self._in_rate - self._out_samples / self._out_rate
        return max(0.0, 1000.0 * held_s)

    def push(self, pcm: Pcm, last: bool = False) -> Pcm:
        """Resample ``pcm``, shape ``(n,)``; ``last`` empties the filter and ends the stream."""
        if self._stream is None:
            return pcm
        out = np.asarray(self._stream.resample_chunk(pcm, last=last), dtype=np.float32)
        self._in_samples += len(pcm)
        self._out_samples += len(out)
        return out
