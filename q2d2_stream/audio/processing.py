"""Echo cancellation, noise suppression and gain control: WebRTC's audio processing.

The implementation is libwebrtc's, from the package livekit: it has wheels for x86-64 and aarch64
and takes 24 kHz as it is.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Protocol

import numpy as np

from q2d2_stream.audio.fifo import Fifo
from q2d2_stream.audio.pcm import pcm_to_int16
from q2d2_stream.audio.stream import FRAME_SAMPLES, SAMPLE_RATE, Pcm
from q2d2_stream.errors import InputError, MissingExtra

__all__ = ["VoiceProcessor"]

_BLOCK_SAMPLES = SAMPLE_RATE // 100  # libwebrtc works in 10 ms
# Frames of 320 through blocks of 240: after one frame 80 samples wait for the second block, after
# two 160, after three none. Holding back the most of these, 160, makes every frame come out whole.
#   in   |----320----|----320----|----320----|
#   done |--240--|--240--|--240--|--240--|
_REBLOCK_SAMPLES = 160
# Inside libwebrtc 24 kHz becomes 32, split into two bands; the canceller works in blocks of 64
# samples of 16 kHz and the suppressor overlaps its blocks by 6 ms. Measured on speech as the delay
# of the envelope from 500 to 3000 Hz, with livekit 1.2; switched on together they add up.
_BANDS_SAMPLES = 33
_AEC_SAMPLES = 192
_NS_SAMPLES = 144


class _Module(Protocol):
    """The part of livekit.rtc.AudioProcessingModule that is used here."""

    def process_stream(self, data: object) -> None: ...
    def process_reverse_stream(self, data: object) -> None: ...
    def set_stream_delay_ms(self, delay_ms: int) -> None: ...


class VoiceProcessor:
    """Cleans the microphone's frames, knowing what the loudspeaker plays.

    Call `far` with every frame written to the sink, `near` with every frame read from the source,
    both from one thread.

    Args:
        aec: cancel the echo of the loudspeaker in the microphone.
        ns: suppress steady noise.
        agc: bring the voice to a common loudness.

    Raises:
        InputError: nothing is switched on.
        MissingExtra: the package livekit is not installed.
    """

    def __init__(self, aec: bool = False, ns: bool = False, agc: bool = False) -> None:
        if not (aec or ns or agc):
            raise InputError("voice processing has nothing to do: expected aec, ns or agc")
        try:
            rtc = importlib.import_module("livekit.rtc")
            apm = importlib.import_module("livekit.rtc.apm")
        except ImportError as error:
            raise MissingExtra("livekit", "aec", "voice processing (--aec, --ns, --agc)") from error
        self._frame: Callable[..., object] = rtc.AudioFrame
        self._module: _Module = apm.AudioProcessingModule(
            echo_cancellation=aec,
            noise_suppression=ns,
            high_pass_filter=True,
            auto_gain_control=agc,
        )
        self._aec = aec
        self._ns = ns
        self._near_in = Fifo()
        self._near_out = Fifo(_REBLOCK_SAMPLES)
        self._far_in = Fifo()

    @property
    def delay_samples(self) -> int:
        """By how much `near`'s output trails its input: 193 samples (8.0 ms) for gain control
        alone, 192 more (8 ms) with echo cancellation, 144 more (6 ms) with noise suppression."""
        inside = _BANDS_SAMPLES + _AEC_SAMPLES * self._aec + _NS_SAMPLES * self._ns
        return _REBLOCK_SAMPLES + inside

    def set_path_ms(self, path_ms: float) -> None:
        """Tell how long sound takes from `far` to `near`: the sink's latency and the source's.

        A hint of 0 to 500 ms. The canceller finds the echo without it, and with a wrong one.
        """
        if self._aec:
            self._module.set_stream_delay_ms(round(min(max(path_ms, 0.0), 500.0)))

    def far(self, pcm: Pcm) -> None:
        """Note what the loudspeaker plays, shape ``(n,)``."""
        if not self._aec:
            return
        self._far_in.push(pcm)
        while (block := self._far_in.pop(_BLOCK_SAMPLES)) is not None:
            self._process(self._module.process_reverse_stream, block)

    def near(self, pcm: Pcm) -> Pcm:
        """The cleaned frame for what the microphone heard; both of shape ``(320,)``."""
        if len(pcm) != FRAME_SAMPLES:
            raise InputError(f"a frame has {len(pcm)} samples, expected {FRAME_SAMPLES}")
        self._near_in.push(pcm)
        while (block := self._near_in.pop(_BLOCK_SAMPLES)) is not None:
            self._near_out.push(self._process(self._module.process_stream, block))
        frame = self._near_out.pop(FRAME_SAMPLES)
        assert frame is not None
        return frame

    def _process(self, step: Callable[[object], None], block: Pcm) -> Pcm:
        data = bytearray(pcm_to_int16(block))
        step(self._frame(data, SAMPLE_RATE, 1, len(block)))  # works in place
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768.0)
