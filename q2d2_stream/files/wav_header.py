"""The header of the wav files that are written here: mono, 16 bits."""

from __future__ import annotations

import struct

__all__ = ["HEADER_BYTES", "wav_header"]

HEADER_BYTES = 44
_UNKNOWN = 0xFFFFFFFF


def wav_header(sample_rate: int, samples: int | None = None) -> bytes:
    """The first 44 bytes of a wav file.

    Args:
        sample_rate: samples per second.
        samples: how many there are; None for all that follow, as in a pipe. A file of over 4 GiB
            (24.8 h at 24 kHz) is left like that: ffmpeg, sox and this package read it to its end.
    """
    size = _UNKNOWN if samples is None else min(2 * samples, _UNKNOWN)
    whole = min(size + HEADER_BYTES - 8, _UNKNOWN)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", whole, b"WAVE") + form + struct.pack("<4sI", b"data", size)
    )
