"""Opus (RFC 6716) as a peer, with its own concealment, straight through libopus' C interface."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from q2d2_stream.errors import InputError, MissingExtra
from q2d2_stream.eval.clips import SAMPLE_RATE
from q2d2_stream.eval.codecs import Coded, fit
from q2d2_stream.eval.loss import lost_frames

__all__ = ["OpusCodec"]

_FRAME = SAMPLE_RATE // 50  # 20 ms
_MAX_PACKET = 1275
# From opus_defines.h.
_APPLICATION_VOIP = 2048
_SET_BITRATE, _SET_COMPLEXITY, _SET_SIGNAL, _GET_LOOKAHEAD = 4002, 4010, 4024, 4027
_SIGNAL_VOICE = 3001


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
        version = _library().opus_get_version_string().decode()
        return f"{version} voip 20 ms vbr complexity 10 {self.kbps:g} kbps"

    def roundtrip(
        self, pcm: npt.NDArray[np.float32], lost: npt.NDArray[np.bool_] | None = None
    ) -> Coded:
        """Encode, lose, decode; lost packets are concealed by libopus (``opus_decode(NULL)``)."""
        library = _library()
        encoder = _create(library.opus_encoder_create, SAMPLE_RATE, 1, _APPLICATION_VOIP)
        decoder = _create(library.opus_decoder_create, SAMPLE_RATE, 1)
        try:
            for request, value in (
                (_SET_BITRATE, round(self.kbps * 1000)),
                (_SET_COMPLEXITY, 10),
                (_SET_SIGNAL, _SIGNAL_VOICE),
            ):
                _check(library.opus_encoder_ctl(encoder, request, ctypes.c_int32(value)))
            lookahead = ctypes.c_int32()
            _check(library.opus_encoder_ctl(encoder, _GET_LOOKAHEAD, ctypes.byref(lookahead)))
            delay = lookahead.value
            frames = -(-(len(pcm) + delay) // _FRAME)
            padded = fit(pcm, 0, frames * _FRAME).reshape(frames, _FRAME)
            gone = lost_frames(lost, frames, _FRAME)
            out = np.zeros((frames, _FRAME), np.float32)
            packet = ctypes.create_string_buffer(_MAX_PACKET)
            octets = 0
            started = time.process_time()
            for source, target, missing in zip(padded, out, gone, strict=True):
                size = _check(
                    library.opus_encode_float(encoder, _floats(source), _FRAME, packet, _MAX_PACKET)
                )
                octets += size
                data, length = (None, 0) if missing else (packet, size)
                _check(library.opus_decode_float(decoder, data, length, _floats(target), _FRAME, 0))
            seconds = time.process_time() - started
        finally:
            library.opus_encoder_destroy(encoder)
            library.opus_decoder_destroy(decoder)
        bits = 8.0 * octets * len(pcm) / (frames * _FRAME)
        return Coded(fit(out.reshape(-1), delay, len(pcm)), bits, seconds)


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    """PyAV's own libopus where PyAV is installed, for it is newer than most systems'."""
    av = importlib.util.find_spec("av")
    places: list[str | None] = []
    if av is not None and av.origin is not None:
        places += map(str, Path(av.origin).parent.parent.glob("av.libs/libopus-*"))
    places.append(ctypes.util.find_library("opus"))
    for place in places:
        if place is not None:
            library = ctypes.CDLL(place)
            break
    else:
        raise MissingExtra("av", "eval", "Measuring Opus")
    pointer, number = ctypes.c_void_p, ctypes.c_int
    library.opus_get_version_string.restype = ctypes.c_char_p
    library.opus_encoder_create.restype = pointer
    library.opus_decoder_create.restype = pointer
    library.opus_encoder_destroy.argtypes = [pointer]
    library.opus_decoder_destroy.argtypes = [pointer]
    # opus_encoder_ctl is variadic: only its fixed part is declared.
    library.opus_encoder_ctl.argtypes = [pointer, number]
    library.opus_encode_float.argtypes = [pointer, pointer, number, pointer, ctypes.c_int32]
    library.opus_decode_float.argtypes = [
        pointer, pointer, ctypes.c_int32, pointer, number, number,
    ]  # fmt: skip
    return library


def _create(create: ctypes._NamedFuncPointer, *arguments: int) -> int:
    status = ctypes.c_int()
    handle = create(*arguments, ctypes.byref(status))
    _check(status.value)
    return int(handle)


def _check(result: int) -> int:
    if result < 0:
        raise InputError(f"libopus refuses this bitrate or frame (its error code is {result})")
    return result


def _floats(array: npt.NDArray[np.float32]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)
