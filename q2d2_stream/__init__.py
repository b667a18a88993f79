"""q2d2-stream: a causal neural speech codec for 1.5 to 6 kbps, one 13.3 ms frame at a time.

    codec = q2d2_stream.load_codec()
    encoder, decoder = codec.encoder(bitrate="3"), codec.decoder()
    packet = encoder.encode(pcm)     # float32 (320 * n,), 24 kHz mono -> bytes
    pcm = decoder.decode(packet)     # or decoder.decode(None) for a packet that was lost

A file, and a call from a program::

    q2d2_stream.encode_file("speech.wav", "speech.q2d2", bitrate="3")

    async with q2d2_stream.connect("host:9000", secret=secret) as call:
        await call.send(pcm)
        async for pcm in call:
            ...

Importing this imports numpy and nothing heavier; onnxruntime, websockets and sounddevice are
imported where they are used, torch never.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from q2d2_stream.config import CodecConfig, Rate
from q2d2_stream.engine import Codec, StreamDecoder, StreamEncoder, load_codec
from q2d2_stream.errors import CallError, Q2D2Error
from q2d2_stream.packing import pack, packed_bytes, unpack

if TYPE_CHECKING:
    from q2d2_stream.call.live import connect, serve
    from q2d2_stream.files.decode import decode_file
    from q2d2_stream.files.encode import encode_file

__all__ = [
    "CallError",
    "Codec",
    "CodecConfig",
    "Q2D2Error",
    "Rate",
    "StreamDecoder",
    "StreamEncoder",
    "__version__",
    "connect",
    "decode_file",
    "encode_file",
    "load_codec",
    "pack",
    "packed_bytes",
    "serve",
    "unpack",
]

__version__ = "0.1.0"

# What draws in more than numpy is imported when it is first used.
_LATER = {
    "connect": "q2d2_stream.call.live",
    "decode_file": "q2d2_stream.files.decode",
    "encode_file": "q2d2_stream.files.encode",
    "serve": "q2d2_stream.call.live",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_LATER[name]), name)
    globals()[name] = value
    return value
