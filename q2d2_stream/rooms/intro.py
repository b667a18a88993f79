"""What members tell each other under the seal: who they are and what they send."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from q2d2_stream.errors import InputError, WireError
from q2d2_stream.protocol.fields import U32_MAX, check_range, printable, put_text, take_text
from q2d2_stream.protocol.hello import MAX_MODELS, ModelOffer

__all__ = ["INTRO_KIND", "Intro"]

INTRO_KIND = 64
_MAX_NAME_BYTES = 60
_START = struct.Struct("<IB")


@dataclass(frozen=True)
class Intro:
    """A member introduces itself, again whenever somebody comes in.

    Attributes:
        name: one printable line of at most 60 bytes; may be empty.
        models: what the member can decode, the one it sends with first, 1 to 8.
        sequence: number of the next frame that it sends.
    """

    KIND: ClassVar[int] = INTRO_KIND
    name: str
    models: tuple[ModelOffer, ...]
    sequence: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", printable(self.name, _MAX_NAME_BYTES))
        check_range("number of models", len(self.models), 1, MAX_MODELS)
        check_range("sequence", self.sequence, 0, U32_MAX)

    def to_body(self) -> bytes:
        """Bytes after the kind."""
        models = b"".join(model.to_bytes() for model in self.models)
        return _START.pack(self.sequence, len(self.models)) + put_text(self.name) + models

    @classmethod
    def from_body(cls, body: bytes) -> Intro:
        """Inverse of :meth:`to_body`; WireError for anything malformed."""
        if len(body) < _START.size:
            raise WireError("an introduction is cut within its start")
        sequence, count = _START.unpack_from(body)
        name, rest = take_text(body[_START.size :], _MAX_NAME_BYTES, "introduction")
        try:
            check_range("number of models", count, 1, MAX_MODELS)
            models = []
            for _ in range(count):
                model, rest = ModelOffer.take(rest)
                models.append(model)
            return cls(name, tuple(models), sequence)
        except InputError as error:
            raise WireError(f"an introduction is malformed: {error}") from error
