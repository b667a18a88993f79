"""Which of several models a direction of a call uses."""

from __future__ import annotations

from collections.abc import Sequence

from q2d2_stream.engine import Codec
from q2d2_stream.protocol import Direction

__all__ = ["codec_of_direction", "rate_like"]


def codec_of_direction(codecs: Sequence[Codec], direction: Direction) -> Codec:
    """The codec of the model that was agreed on."""
    wanted = direction.model.model_hash
    return next(codec for codec in codecs if codec.model_hash == wanted)


def rate_like(rate: int, wanted: Codec, codec: Codec) -> int:
    """The rate of ``codec`` that costs about what ``rate`` of ``wanted`` does."""
    kbps = wanted.config.ladder[rate].kbps
    return min(codec.config.ladder, key=lambda other: abs(other.kbps - kbps)).index
