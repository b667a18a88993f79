"""Arguments of the wrong kind: the one sentence for each, wherever they come in."""

from __future__ import annotations

import numpy as np

from q2d2_stream.errors import InputError

__all__ = ["require_bytes", "require_indices"]


def require_indices(indices: object) -> None:
    """Raise InputError for what is no uint8 array of shape ``(frames, pairs)``."""
    if isinstance(indices, np.ndarray) and indices.dtype == np.uint8 and indices.ndim == 2:
        return
    kind = type(indices).__name__
    if isinstance(indices, np.ndarray):
        kind = f"{indices.dtype} of shape {indices.shape}"
    raise InputError(f"the indices are {kind}, expected a uint8 array of shape (frames, pairs)")


def require_bytes(data: object, what: str) -> None:
    """Raise InputError for what are no bytes; ``what`` is their name in the sentence."""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InputError(f"the {what} is {type(data).__name__}, expected bytes")
