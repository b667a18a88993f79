"""Frames to audio messages and back: packed, or entropy coded where that is shorter."""

from __future__ import annotations

from q2d2_stream.config import CodecConfig
from q2d2_stream.entropy import IndexCoder
from q2d2_stream.errors import InputError, WireError
from q2d2_stream.frames import AudioFrames
from q2d2_stream.packing import pack, packed_bytes, unpack
from q2d2_stream.protocol.messages import Audio, AudioCoded

__all__ = ["frames_to_message", "message_to_frames"]


def frames_to_message(
    frames: AudioFrames, config: CodecConfig, coder: IndexCoder | None = None
) -> Audio:
    """The message that carries these frames; InputError when they do not fit ``config``.

    With a ``coder``, which the peer must have too, it is coded where that is shorter.
    """
    count, pairs = frames.indices.shape
    coded = coder.encode(frames.indices) if coder is not None else None
    kind = Audio if coded is None else AudioCoded
    return kind(
        sequence=frames.sequence,
        timestamp=frames.timestamp,
        rate=config.rate_of_pairs(pairs),
        frames=count,
        payload=pack(frames.indices, config) if coded is None else coded,
        start=frames.start,
        end=frames.end,
        dtx=frames.dtx,
    )


def message_to_frames(
    message: Audio, config: CodecConfig, coder: IndexCoder | None = None
) -> AudioFrames:
    """Inverse of :func:`frames_to_message`; WireError when the payload does not fit ``config``, or
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
    return AudioFrames(
        message.sequence,
        message.timestamp,
        indices,
        message.start,
        message.end,
        message.dtx,
    )
