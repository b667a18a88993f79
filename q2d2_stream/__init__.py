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

Importing this imports next to nothing: what a name needs is imported when it is first used, and
torch never.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from q2d2_stream.call.live import connect, serve
    from q2d2_stream.call.live_room import join
    from q2d2_stream.config import CodecConfig, Rate
    from q2d2_stream.engine import Codec, StreamDecoder, StreamEncoder, load_codec
    from q2d2_stream.errors import CallError, Q2D2Error
    from q2d2_stream.files.decode import decode_file
    from q2d2_stream.files.encode import encode_file
    from q2d2_stream.packing import pack, packed_bytes, unpack

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
    "join",
    "load_codec",
    "pack",
    "packed_bytes",
    "serve",
    "unpack",
]

__version__ = "0.1.0"

_HOME = {
    "call.live": ("connect", "serve"),
    "call.live_room": ("join",),
    "config": ("CodecConfig", "Rate"),
    "engine": ("Codec", "StreamDecoder", "StreamEncoder", "load_codec"),
    "errors": ("CallError", "Q2D2Error"),
    "files.decode": ("decode_file",),
    "files.encode": ("encode_file",),
    "packing": ("pack", "packed_bytes", "unpack"),
}
_MODULE = {name: f"{__name__}.{module}" for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
