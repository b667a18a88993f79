"""q2d2-stream: a causal neural speech codec for 1.5 to 6 kbps, one 13.3 ms frame at a time.

    codec = q2d2_stream.load_codec()
    encoder, decoder = codec.encoder(bitrate="3"), codec.decoder()
    packet = encoder.encode(pcm)     # float32 (320 * n,), 24 kHz mono -> bytes
    pcm = decoder.decode(packet)     # or decoder.decode(None) for a packet that was lost

Importing this imports numpy and nothing heavier; onnxruntime, websockets and sounddevice are
imported where they are used, torch never.
"""

from __future__ import annotations

from q2d2_stream.config import CodecConfig, Rate
from q2d2_stream.engine import Codec, StreamDecoder, StreamEncoder, load_codec
from q2d2_stream.errors import Q2D2Error
from q2d2_stream.packing import pack, packed_bytes, unpack

__all__ = [
    "Codec",
    "CodecConfig",
    "Q2D2Error",
    "Rate",
    "StreamDecoder",
    "StreamEncoder",
    "__version__",
    "load_codec",
    "pack",
    "packed_bytes",
    "unpack",
]

__version__ = "0.1.0"
