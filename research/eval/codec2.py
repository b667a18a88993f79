"""Codec2 (Rowe, 2010 on) as a baseline: a parametric narrowband codec, through libcodec2."""

from __future__ import annotations

import ctypes
import ctypes.util
import time
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from q2d2_stream.errors import InputError, MissingExtra
from research.eval.clips import SAMPLE_RATE, resample
from research.eval.codecs import Coded, fit
from research.eval.loss import lost_frames

__all__ = ["Codec2"]

_RATE = 8000
# Encoder plus decoder in 8 kHz samples: there STOI and the envelopes' correlation peak, over 18
# English clips and at all three rates.
_DELAY = 160
# Bits per second: CODEC2_MODE_* of codec2.h, latency in milliseconds.
_MODES: dict[int, tuple[int, float]] = {3200: (0, 38.0), 2400: (1, 38.0), 1200: (5, 58.0)}


@dataclass(frozen=True)
class Codec2:
    """Codec2 at one of its rates; the speech passes through 8 kHz.

    It has no concealment: lost frames are silent. The phases of unvoiced speech come from a
    generator inside the library that cannot be seeded, so scores vary in their third digit from
    one process to the next.

    Attributes:
        bps: 3200, 2400 or 1200 bits per second.

    Raises:
        InputError: another rate.
    """

    bps: int

    def __post_init__(self) -> None:
        if self.bps not in _MODES:
            raise InputError(f"Codec2's rate is {self.bps}, expected one of {list(_MODES)}")

    @property
    def name(self) -> str:
        """ "codec2_3200" and so on."""
        return f"codec2_{self.bps}"

    @property
    def title(self) -> str:
        """The rate in kbps."""
        return f"Codec2 {self.bps / 1000:g} kbps"

    @property
    def latency_ms(self) -> float:
        """A frame of 20 or 40 ms and 18 ms of look-ahead and overlap."""
        return _MODES[self.bps][1]

    def key(self) -> str:
        """The library's file, which carries its version, and the rate."""
        return f"{_library()._name} {self.bps} bps"

    def roundtrip(
        self, pcm: npt.NDArray[np.float32], lost: npt.NDArray[np.bool_] | None = None
    ) -> Coded:
        """Encode and decode at 8 kHz; above 4 kHz nothing is left."""
        library = _library()
        mode, _ = _MODES[self.bps]
        state = library.codec2_create(mode)
        try:
            hop = library.codec2_samples_per_frame(state)
            frame_bits = library.codec2_bits_per_frame(state)
            narrow = resample(pcm, SAMPLE_RATE, _RATE)
            frames = -(-(len(narrow) + _DELAY) // hop)
            scaled = np.clip(fit(narrow, 0, frames * hop) * 32768.0, -32768, 32767)
            source = np.rint(scaled).astype(np.int16).reshape(frames, hop)
            gone = lost_frames(lost, frames, hop * SAMPLE_RATE // _RATE)
            out = np.zeros((frames, hop), np.int16)
            packet = ctypes.create_string_buffer((frame_bits + 7) // 8)
            started = time.process_time()
            for original, target, missing in zip(source, out, gone, strict=True):
                library.codec2_encode(state, packet, _shorts(original))
                if not missing:
                    library.codec2_decode(state, _shorts(target), packet)
            seconds = time.process_time() - started
        finally:
            library.codec2_destroy(state)
        decoded = fit(out.reshape(-1).astype(np.float32) / 32768.0, _DELAY, len(narrow))
        bits = self.bps * len(pcm) / SAMPLE_RATE
        return Coded(fit(resample(decoded, _RATE, SAMPLE_RATE), 0, len(pcm)), bits, seconds)


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    place = ctypes.util.find_library("codec2")
    if place is None:
        raise MissingExtra("libcodec2 (Debian: libcodec2-1.0)", "eval", "Measuring Codec2")
    library = ctypes.CDLL(place)
    pointer = ctypes.c_void_p
    library.codec2_create.restype = pointer
    for name in ("destroy", "samples_per_frame", "bits_per_frame"):
        getattr(library, f"codec2_{name}").argtypes = [pointer]
    library.codec2_encode.argtypes = [pointer, pointer, pointer]
    library.codec2_decode.argtypes = [pointer, pointer, pointer]
    return library


def _shorts(array: npt.NDArray[np.int16]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)
