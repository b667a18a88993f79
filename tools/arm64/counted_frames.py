"""Runs inside the userland: an engine's frames between two marks for count_plugin.c."""

from __future__ import annotations

import ctypes
import sys

import numpy as np

from q2d2_stream.engine import load_codec

_MARK = 0x51325144
_WARM_UP_FRAMES = 3


def main() -> None:
    """Arguments: engine, precision, number of frames, folder of models or "-"."""
    engine, precision, frames, models = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    codec = load_codec(None if models == "-" else models, engine=engine, precision=precision)
    encoder, decoder = codec.encoder(codec.config.ladder[-1]), codec.decoder()
    libc = ctypes.CDLL(None)
    rng = np.random.default_rng(0)
    count = frames + _WARM_UP_FRAMES
    pcm = (0.1 * rng.standard_normal((count, codec.config.hop))).astype(np.float32)
    indices = [encoder.push(frame) for frame in pcm[:_WARM_UP_FRAMES]]
    libc.getpriority(_MARK, 1)
    indices += [encoder.push(frame) for frame in pcm[_WARM_UP_FRAMES:]]
    libc.getpriority(_MARK, 2)
    for frame in indices[:_WARM_UP_FRAMES]:
        decoder.push(frame)
    libc.getpriority(_MARK, 1)
    for frame in indices[_WARM_UP_FRAMES:]:
        decoder.push(frame)
    libc.getpriority(_MARK, 2)


if __name__ == "__main__":
    main()
