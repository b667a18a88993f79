"""What one end of a call brings along: its models, its wishes, its secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from q2d2_stream.config import CodecConfig
from q2d2_stream.entropy import IndexCoder
from q2d2_stream.errors import InputError
from q2d2_stream.packet import MAX_PACKET_FRAMES
from q2d2_stream.protocol.auth import Secret
from q2d2_stream.protocol.fields import check_range
from q2d2_stream.protocol.hello import MAX_MODELS, Hello, ModelOffer

if TYPE_CHECKING:
    from q2d2_stream.engine import Codec

__all__ = ["Direction", "Endpoint", "LocalModel"]


@dataclass(frozen=True)
class LocalModel:
    """A model that this end can encode and decode with.

    Attributes:
        config: the model's parameters.
        model_id: its name, as ``codec.model_id``.
        model_hash: 8 bytes, as ``codec.model_hash``.
        rates: rates that this end decodes; the whole ladder when empty.
        coder: codes audio for a peer that has the same tables, as ``codec.coder``; None: never.

    Raises InputError when a field is out of range.
    """

    config: CodecConfig
    model_id: str
    model_hash: bytes
    rates: tuple[int, ...] = ()
    coder: IndexCoder | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        ladder = tuple(range(len(self.config.ladder)))
        rates = tuple(sorted(set(self.rates))) or ladder
        if not set(rates) <= set(ladder):
            raise InputError(f"rates is {self.rates}, expected some of {ladder}")
        object.__setattr__(self, "rates", rates)
        # An offer checks the other fields; better here than when the first peer calls.
        if self.offer.model_id != self.model_id:
            raise InputError(
                f"model_id is {self.model_id!r}, expected at most 64 printable bytes of UTF-8"
            )

    @property
    def offer(self) -> ModelOffer:
        """This model in a hello."""
        tables = self.coder.checksum if self.coder is not None else 0
        return ModelOffer(self.model_id, self.model_hash, self.rates, tables)


@dataclass(frozen=True)
class Direction:
    """What both sides agreed on for one direction.

    Attributes:
        model: encodes or decodes it.
        rates: rates that both sides have, ascending.
        coder: codes its audio, as both sides have the tables; None: everything is packed.
    """

    model: LocalModel
    rates: tuple[int, ...]
    coder: IndexCoder | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Endpoint:
    """One end of a call.

    Attributes:
        models: what it can encode and decode with, its preferred one first, 1 to 8.
        frames_per_message: frames per audio message to begin with, 1 to 16.
        dtx: whether silence may be left unsent.
        udp: whether audio may go as datagrams beside the connection, where the peer does too.
        secret: what both sides must prove to know; None for a call in which nobody is
            authenticated.

    Raises InputError when a field is out of range.
    """

    models: tuple[LocalModel, ...]
    frames_per_message: int = 1
    dtx: bool = False
    udp: bool = False
    secret: Secret | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_range("number of models", len(self.models), 1, MAX_MODELS)
        check_range("frames_per_message", self.frames_per_message, 1, MAX_PACKET_FRAMES)
        hashes = [model.model_hash for model in self.models]
        if len(set(hashes)) < len(hashes):
            raise InputError("two of the models are the same, expected different ones")

    @classmethod
    def of(
        cls,
        codec: Codec | Sequence[Codec],
        *,
        frames_per_message: int = 1,
        dtx: bool = False,
        udp: bool = False,
        secret: Secret | None = None,
    ) -> Endpoint:
        """What a side with one codec, or several, brings along, the preferred one first.

        Raises InputError when a field is out of range, or codecs cannot take each other's place
        because they differ in sample rate or frame.
        """
        codecs = codec if isinstance(codec, Sequence) else (codec,)
        first = codecs[0].config
        for other in codecs:
            if (other.config.sample_rate, other.config.hop) != (first.sample_rate, first.hop):
                raise InputError(
                    f"model {other.model_id} has frames of {other.config.hop} samples at "
                    f"{other.config.sample_rate} Hz, expected {first.hop} at {first.sample_rate} "
                    f"as {codecs[0].model_id} has"
                )
        models = tuple(
            LocalModel(one.config, one.model_id, one.model_hash, coder=one.coder) for one in codecs
        )
        return cls(models, frames_per_message=frames_per_message, dtx=dtx, udp=udp, secret=secret)

    def model_for_sending(self, peer: Hello) -> LocalModel | None:
        """The first of this end's models that the peer can decode; None when there is none."""
        known = {offer.model_hash for offer in peer.models}
        return next((model for model in self.models if model.model_hash in known), None)

    def model_for_receiving(self, peer: Hello) -> LocalModel | None:
        """What :meth:`model_for_sending` gives at the peer."""
        own = {model.model_hash: model for model in self.models}
        return next(
            (own[offer.model_hash] for offer in peer.models if offer.model_hash in own), None
        )
