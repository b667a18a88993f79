"""q2d2-stream: a causal neural speech codec for 1.5 to 6 kbps, one 13.3 ms frame at a time."""

from __future__ import annotations

from q2d2_stream.config import CodecConfig

__all__ = ["CodecConfig", "__version__"]

__version__ = "0.1.0"
