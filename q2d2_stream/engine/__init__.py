"""The codec at run time: one frame in, one frame out, no torch."""

from __future__ import annotations

from q2d2_stream.engine.codec import Codec, load_codec, load_codecs
from q2d2_stream.engine.runner import ModelRunner
from q2d2_stream.engine.stream import StreamDecoder, StreamEncoder

__all__ = ["Codec", "ModelRunner", "StreamDecoder", "StreamEncoder", "load_codec", "load_codecs"]
