"""Samples as bytes."""

from __future__ import annotations

import numpy as np

from q2d2_stream.audio.stream import Pcm

__all__ = ["pcm_to_int16"]


def pcm_to_int16(pcm: Pcm) -> bytes:
    """Little-endian 16-bit samples; exact for samples that came from 16 bits (``k / 32768``)."""
    data: bytes = np.clip(np.rint(pcm * 32768.0), -32768, 32767).astype("<i2").tobytes()
    return data
