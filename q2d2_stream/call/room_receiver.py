"""From a relay to the loudspeaker: everybody who talks, mixed."""

from __future__ import annotations

import time
from functools import partial

from q2d2_stream.audio import Pcm, Sink, VoiceProcessor
from q2d2_stream.call.codec_thread import CodecThread
from q2d2_stream.call.mixer import Mixer
from q2d2_stream.call.options import CallOptions
from q2d2_stream.call.player import Player
from q2d2_stream.engine import Codec
from q2d2_stream.files.recorder import Recorder
from q2d2_stream.frames import AudioFrames
from q2d2_stream.playout import Decoder, PlayoutStats

__all__ = ["RoomReceiver"]


class RoomReceiver(Player):
    """Plays what the members of a room say.

    Args:
        sink, thread, processor, recorder: as of :class:`Player`.
        options: the user's wishes.
    """

    def __init__(
        self,
        sink: Sink,
        thread: CodecThread,
        options: CallOptions,
        processor: VoiceProcessor | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        super().__init__(sink, thread, processor, recorder)
        self._codecs: dict[int, Codec] = {}
        tap = recorder.voice if recorder is not None else None
        self._mixer = Mixer(self._make_decoder, options.playout, tap)
        self.stats = self._mixer.stats()

    def put(self, member: int, codec: Codec, frames: AudioFrames, now: float) -> None:
        """Frames of a member, which ``codec`` decodes, have come at ``now``."""
        self._codecs[member] = codec
        self.post(partial(self._mixer.put, member, frames, now))

    def remove(self, member: int) -> None:
        """A member has gone."""
        self.post(partial(self._remove, member))

    def set_gain(self, member: int, gain: float) -> None:
        """How loud a member is: 0 for not at all, 1 as it comes."""
        self.post(partial(self._mixer.set_gain, member, gain))

    def talking(self) -> frozenset[int]:
        """Who was heard just now."""
        return self._mixer.talking(time.monotonic())

    def _remove(self, member: int) -> None:
        self._mixer.remove(member)
        self._codecs.pop(member, None)

    def _make_decoder(self, member: int) -> Decoder:
        return self._codecs[member].decoder()

    def _next(self, now: float, samples: int) -> Pcm:
        return self._mixer.pull(now, samples)

    def _measure(self) -> PlayoutStats:
        return self._mixer.stats(
            network_ms=self._network_ms,
            device_ms=self._device_ms,
            processing_ms=self._processing_ms,
        )

    @property
    def _has_played(self) -> bool:
        return self._mixer.has_played
