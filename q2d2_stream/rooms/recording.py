"""What a member that records tells all others, so that they can speak accordingly, or leave."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from q2d2_stream.protocol.fields import take

__all__ = ["RECORDING_KIND", "Recording"]

RECORDING_KIND = 65
_RECORDING = struct.Struct("<B")


@dataclass(frozen=True)
class Recording:
    """The sender keeps what is said in the room, or does so no more; said again to who comes."""

    KIND: ClassVar[int] = RECORDING_KIND
    on: bool

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return _RECORDING.pack(self.on)

    @classmethod
    def from_body(cls, body: bytes) -> Recording:
        """Inverse of :meth:`to_body`; WireError for an empty one."""
        return cls(bool(take(_RECORDING, body, "recording")[0]))
