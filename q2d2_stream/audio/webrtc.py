"""Echo cancellation and gain control: WebRTC's audio processing.

The implementation is libwebrtc's, from the package livekit: it has wheels for x86-64 and aarch64
and takes 24 kHz as it is.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Protocol

import numpy as np

from q2d2_stream.audio.pcm import pcm_to_int16
from q2d2_stream.audio.stream import SAMPLE_RATE, Pcm
from q2d2_stream.errors import MissingExtra

__all__ = ["WebRtcProcessing"]

# Inside libwebrtc 24 kHz becomes 32, split into two bands, and the canceller works in blocks of 64
# samples of 16 kHz. Measured on speech as the delay of the envelope from 500 to 3000 Hz, with
# livekit 1.2.
_BANDS_SAMPLES = 33
_AEC_SAMPLES = 192


class _Module(Protocol):
    """The part of livekit.rtc.AudioProcessingModule that is used here."""

    def process_stream(self, data: object) -> None: ...
    def process_reverse_stream(self, data: object) -> None: ...
    def set_stream_delay_ms(self, delay_ms: int) -> None: ...


class WebRtcProcessing:
    """Cleans 10 ms of the microphone at a time; for one thread.

    Args:
        aec: cancel the echo of the loudspeaker in the microphone; takes out rumble, too.
        agc: bring the voice to a common loudness.

    Raises:
        MissingExtra: the package livekit is not installed.
    """

    def __init__(self, *, aec: bool = False, agc: bool = False) -> None:
        try:
            rtc = importlib.import_module("livekit.rtc")
            apm = importlib.import_module("livekit.rtc.apm")
        except ImportError as error:
            raise MissingExtra("livekit", "aec", "voice processing (--aec, --agc)") from error
        self._frame: Callable[..., object] = rtc.AudioFrame
        self._module: _Module = apm.AudioProcessingModule(
            echo_cancellation=aec,
            noise_suppression=False,
            high_pass_filter=True,
            auto_gain_control=agc,
        )
        self.delay_samples = _BANDS_SAMPLES + _AEC_SAMPLES * aec
        """By how much the output trails the input: 33 samples (1.4 ms), 225 with ``aec``."""

    def set_path_ms(self, path_ms: float) -> None:
        """Tell how long sound takes from the loudspeaker to the microphone.

        A hint of 0 to 500 ms. The canceller finds the echo without it, and with a wrong one.
        """
        self._module.set_stream_delay_ms(round(min(max(path_ms, 0.0), 500.0)))

    def hear_far(self, block: Pcm) -> None:
        """Note what the loudspeaker plays, shape ``(240,)``."""
        self._process(self._module.process_reverse_stream, block)

    def process(self, block: Pcm) -> Pcm:
        """The cleaned 10 ms for what the microphone heard; both of shape ``(240,)``."""
        return self._process(self._module.process_stream, block)

    def _process(self, step: Callable[[object], None], block: Pcm) -> Pcm:
        data = bytearray(pcm_to_int16(block))
        step(self._frame(data, SAMPLE_RATE, 1, len(block)))  # works in place
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768.0)
