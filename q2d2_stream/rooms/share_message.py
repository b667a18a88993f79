"""What the messages that tell a room of losses have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from q2d2_stream.errors import WireError
from q2d2_stream.rooms.kinds import RoomKind

__all__ = ["ShareMessage"]


@dataclass(frozen=True)
class ShareMessage:
    """A share, as one byte.

    Attributes:
        percent: 0 to 100.
    """

    KIND: ClassVar[RoomKind]
    percent: int

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        return bytes([self.percent])

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Inverse of :meth:`to_body`; WireError where it is cut."""
        if not body:
            raise WireError(f"{cls.KIND.name.lower()} message has no share")
        return cls(min(body[0], 100))
