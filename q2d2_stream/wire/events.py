"""What a session tells its owner; the messages that need no more are events themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import CodecConfig
from q2d2_stream.entropy import IndexCoder
from q2d2_stream.errors import InputError, WireError
from q2d2_stream.packing import pack, packed_bytes, unpack
from q2d2_stream.wire.hello import Hello
from q2d2_stream.wire.kinds import Reason
from q2d2_stream.wire.lobby import Call
from q2d2_stream.wire.messages import Audio, AudioCoded, Mute, ReceiverReport, Text

__all__ = ["AudioFrames", "Closed", "Established", "Event"]


@dataclass(frozen=True, eq=False)
class AudioFrames:
    """Consecutive frames of one rate, on their way out or in.

    Attributes:
        sequence: number of the first frame among those meant to be sent, modulo 2**32.
        timestamp: number of the first frame among those captured, modulo 2**32.
        indices: uint8 of shape ``(frames, pairs)``, 1 to 8 frames.
        start: the first frame begins a talk spurt.
        end: the last frame ends a talk spurt.
        dtx: a keep-alive inside silence; its sound is the background noise.
    """

    sequence: int
    timestamp: int
    indices: NDArray[np.uint8]
    start: bool = False
    end: bool = False
    dtx: bool = False

    def to_message(self, config: CodecConfig, coder: IndexCoder | None = None) -> Audio:
        """The message that carries these frames; InputError when they do not fit ``config``.

        With a ``coder``, which the peer must have too, it is coded where that is shorter.
        """
        frames, pairs = self.indices.shape
        coded = coder.encode(self.indices) if coder is not None else None
        kind = Audio if coded is None else AudioCoded
        return kind(
            sequence=self.sequence,
            timestamp=self.timestamp,
            rate=config.rate_of_pairs(pairs),
            frames=frames,
            payload=pack(self.indices, config) if coded is None else coded,
            start=self.start,
            end=self.end,
            dtx=self.dtx,
        )

    @classmethod
    def from_message(
        cls, message: Audio, config: CodecConfig, coder: IndexCoder | None = None
    ) -> AudioFrames:
        """Inverse of :meth:`to_message`; WireError when the payload does not fit ``config``, or
        is coded and both sides have not the same tables."""
        payload, rate, frames = message.payload, message.rate, message.frames
        try:
            if isinstance(message, AudioCoded):
                if coder is None:
                    raise WireError(
                        "audio came entropy coded, but the two sides have not the same tables"
                    )
                indices = coder.decode(payload, rate, frames)
            else:
                expected = packed_bytes(config, rate, frames)
                if len(payload) != expected:
                    raise WireError(
                        f"audio message carries {len(payload)} bytes, expected {expected} "
                        f"for {frames} frames of rate {rate}"
                    )
                indices = unpack(payload, config, rate, frames)
        except InputError as error:
            raise WireError(f"audio message does not fit the codec: {error}") from error
        return cls(
            message.sequence,
            message.timestamp,
            indices,
            message.start,
            message.end,
            message.dtx,
        )


@dataclass(frozen=True)
class Established:
    """The handshake is done: audio may flow.

    Attributes:
        call: what the call keeps over reconnections.
        peer: the peer's hello.
        rates: rates that the peer can decode and this side can encode, ascending.
        frames_per_message: frames per message to begin with: the larger of both wishes.
        resumed: the peer's sequence numbers go on from an earlier connection.
        coder: codes audio in both directions, as both sides have its tables; None: all is packed.
    """

    call: Call
    peer: Hello
    rates: tuple[int, ...]
    frames_per_message: int
    resumed: bool
    coder: IndexCoder | None = None


@dataclass(frozen=True)
class Closed:
    """The session is over; send what :meth:`Session.data_to_send` still holds, then hang up."""

    reason: Reason
    text: str
    by_peer: bool

    @property
    def may_retry(self) -> bool:
        """Whether dialling again may help: the link broke, or the line was busy."""
        return self.reason in (Reason.LOST, Reason.TIMEOUT, Reason.BUSY)


Event: TypeAlias = Established | AudioFrames | ReceiverReport | Mute | Text | Closed
