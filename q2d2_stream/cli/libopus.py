"""libopus through its C interface: the yardstick of ``q2d2 bench`` and of the evaluation."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from q2d2_stream.config import SAMPLE_RATE
from q2d2_stream.errors import InputError, MissingExtra

__all__ = ["OPUS_FRAME_SAMPLES", "OpusStream"]

OPUS_FRAME_SAMPLES = 480  # 20 ms at 24 kHz
_MAX_PACKET = 1275
# From opus_defines.h.
_APPLICATION_VOIP = 2048
_SET_BITRATE, _SET_COMPLEXITY, _SET_SIGNAL, _GET_LOOKAHEAD = 4002, 4010, 4024, 4027
_SET_INBAND_FEC, _SET_PACKET_LOSS_PERC = 4012, 4014
_SIGNAL_VOICE = 3001


class OpusStream:
    """One encoder and one decoder for voice: 20 ms frames, variable rate, complexity 10, 24 kHz.

    Args:
        kbps: target bitrate, 6 to 510.
        fec_loss: share of packets that will be lost, 0 to 1, against which packets repeat the frame
            before them coarsely (in-band FEC) where the bitrate has room for it; None: they do not.

    Attributes:
        delay_samples: the encoder's look-ahead.

    Raises MissingExtra without libopus, InputError for a bitrate that it refuses.
    """

    def __init__(self, kbps: float, *, fec_loss: float | None = None) -> None:
        library = self._library = _load_library()
        self._encoder = self._decoder = 0
        self._encoder = _create(library.opus_encoder_create, SAMPLE_RATE, 1, _APPLICATION_VOIP)
        self._decoder = _create(library.opus_decoder_create, SAMPLE_RATE, 1)
        self._packet = ctypes.create_string_buffer(_MAX_PACKET)
        for request, value in (
            (_SET_BITRATE, round(kbps * 1000)),
            (_SET_COMPLEXITY, 10),
            (_SET_SIGNAL, _SIGNAL_VOICE),
            (_SET_INBAND_FEC, fec_loss is not None),
            (_SET_PACKET_LOSS_PERC, round(100 * (fec_loss or 0.0))),
        ):
            _check(library.opus_encoder_ctl(self._encoder, request, ctypes.c_int32(value)))
        delay = ctypes.c_int32()
        _check(library.opus_encoder_ctl(self._encoder, _GET_LOOKAHEAD, ctypes.byref(delay)))
        self.delay_samples = delay.value

    @staticmethod
    def version() -> str:
        """What libopus calls itself."""
        return str(_load_library().opus_get_version_string().decode())

    def encode(self, pcm: npt.NDArray[np.float32]) -> bytes:
        """480 samples -> a packet."""
        size = _check(
            self._library.opus_encode_float(
                self._encoder, _floats(pcm), OPUS_FRAME_SAMPLES, self._packet, _MAX_PACKET
            )
        )
        return self._packet.raw[:size]

    def decode(self, packet: bytes | None, *, before: bool = False) -> npt.NDArray[np.float32]:
        """A packet, or None for one that was lost, -> 480 samples.

        With ``before`` they are of the lost frame before the packet's own, from what the packet
        repeats of it; where it repeats nothing the frame is concealed.
        """
        pcm = np.zeros(OPUS_FRAME_SAMPLES, np.float32)
        size = len(packet) if packet is not None else 0
        _check(
            self._library.opus_decode_float(
                self._decoder, packet, size, _floats(pcm), OPUS_FRAME_SAMPLES, int(before)
            )
        )
        return pcm

    def close(self) -> None:
        """Free both; a second call does nothing."""
        if self._encoder:
            self._library.opus_encoder_destroy(self._encoder)
        if self._decoder:
            self._library.opus_decoder_destroy(self._decoder)
        self._encoder = self._decoder = 0

    def __enter__(self) -> OpusStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@lru_cache(maxsize=1)
def _load_library() -> ctypes.CDLL:
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
