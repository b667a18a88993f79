"""From the connection to the loudspeaker."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.audio import Pcm, Sink, VoiceProcessor
from q2d2_stream.call.codec_thread import CodecThread
from q2d2_stream.call.options import CallOptions
from q2d2_stream.call.player import Player
from q2d2_stream.engine import Codec
from q2d2_stream.files.recorder import Recorder
from q2d2_stream.frames import AudioFrames
from q2d2_stream.playout import Playout, PlayoutStats
from q2d2_stream.protocol import ReceiverReport
from q2d2_stream.protocol.sequence import distance

__all__ = ["Receiver", "SwitchingDecoder"]


class Receiver(Player):
    """Plays what the peer of a call says.

    Args:
        codec: decodes.
        sink, thread, processor, recorder: as of :class:`Player`.
        options: the user's wishes.
    """

    def __init__(
        self,
        codec: Codec,
        sink: Sink,
        thread: CodecThread,
        options: CallOptions,
        processor: VoiceProcessor | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        super().__init__(sink, thread, processor, recorder)
        self.codec = codec
        self._decoder = SwitchingDecoder(codec)
        self._playout = Playout(self._decoder, options.playout)
        self._last: tuple[int, int] | None = None  # frames received, highest sequence number
        self.stats = self._playout.stats()

    def put(self, frames: AudioFrames, now: float) -> None:
        """Frames have come at ``now``."""
        self.post(partial(self._playout.put, frames, now))

    def restart(self, codec: Codec) -> None:
        """The frames that come next are of another stream, which ``codec`` decodes: the peer was
        started anew, or uses another model."""
        self.codec = codec
        self.post(partial(self._start_anew, codec))

    def report(self, sequence: int, received: int) -> ReceiverReport:
        """What to tell the peer.

        Args:
            sequence: highest sequence number received.
            received: frames received since the call began.
        """
        stats = self.stats
        expected = distance(self._last[1], sequence) if self._last is not None else 0
        new_received = received - self._last[0] if self._last is not None else 0
        self._last = received, sequence
        return ReceiverReport(
            sequence=sequence,
            received=received & 0xFFFFFFFF,
            lost=stats.lost & 0xFFFFFFFF,
            loss=max(0.0, 1 - new_received / expected) if expected > 0 else 0.0,
            jitter_ms=stats.jitter_ms,
            delay_ms=stats.actual_delay_ms,
            drift_ppm=stats.drift_ppm,
        )

    def _start_anew(self, codec: Codec) -> None:
        self._decoder.use(codec)
        self._playout.reset()

    def _next(self, now: float, samples: int) -> Pcm:
        return self._playout.pull(now, samples)

    def _measure(self) -> PlayoutStats:
        return self._playout.stats(
            network_ms=self._network_ms,
            device_ms=self._device_ms,
            processing_ms=self._processing_ms,
        )

    @property
    def _has_played(self) -> bool:
        return self._playout.played > 0


class SwitchingDecoder:
    """A decoder for the playout, of whichever model the peer uses."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._decoder = codec.decoder()

    def use(self, codec: Codec) -> None:
        """Decode with ``codec`` from now on."""
        if codec is not self._codec:
            self._codec, self._decoder = codec, codec.decoder()

    @property
    def delay_samples(self) -> int:
        """The look-ahead, which is a frame longer once refinement has begun."""
        return self._decoder.delay_samples

    def push(self, indices: NDArray[np.uint8] | None) -> Pcm:
        """Decode one frame, or conceal a lost one (None)."""
        return self._decoder.push(indices)

    def seek(self, number: int) -> None:
        """Say which of the sender's frames comes next."""
        self._decoder.seek(number)

    def reset(self) -> None:
        """Forget the past."""
        self._decoder.reset()
