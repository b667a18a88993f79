"""The handshake of one side: hello, and proof of the secret when there is one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from q2d2_stream.config import CodecConfig
from q2d2_stream.entropy import IndexCoder
from q2d2_stream.errors import HandshakeError, InputError
from q2d2_stream.protocol.auth import Secret
from q2d2_stream.protocol.events import Established
from q2d2_stream.protocol.hello import Hello, Proof
from q2d2_stream.protocol.kinds import Capability, Reason, Role
from q2d2_stream.protocol.messages import Message, encode
from q2d2_stream.protocol.registry import Call, CallRegistry

if TYPE_CHECKING:
    from q2d2_stream.engine import Codec

__all__ = ["Endpoint", "Handshake", "Refusal"]


@dataclass(frozen=True)
class Endpoint:
    """What one end of a call brings along.

    Attributes:
        config: the codec's parameters.
        model_id: name of the model, as ``codec.model_id``.
        model_hash: 8 bytes, as ``codec.model_hash``.
        rates: rates this side can decode; all of the configuration's when empty.
        frames_per_message: frames per audio message to begin with, 1 to 8.
        dtx: whether silence may be left unsent.
        secret: what both sides must prove to know; None for an open call.
        coder: codes audio for a peer that has the same tables, as ``codec.coder``; None: never.

    Raises InputError when a field is out of range.
    """

    config: CodecConfig
    model_id: str
    model_hash: bytes
    rates: tuple[int, ...] = ()
    frames_per_message: int = 3
    dtx: bool = False
    secret: Secret | None = field(default=None, repr=False)
    coder: IndexCoder | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        ladder = tuple(range(len(self.config.rates)))
        rates = tuple(sorted(set(self.rates))) or ladder
        if not set(rates) <= set(ladder):
            raise InputError(f"rates is {self.rates}, expected some of {ladder}")
        object.__setattr__(self, "rates", rates)
        # A hello checks the other fields; better here than when the first peer calls.
        if self.hello(Role.CLIENT, Call(), bytes(16)).model_id != self.model_id:
            raise InputError(
                f"model_id is {self.model_id!r}, expected at most 64 printable bytes of UTF-8"
            )

    @classmethod
    def of(
        cls,
        codec: Codec,
        *,
        frames_per_message: int = 3,
        dtx: bool = False,
        secret: Secret | None = None,
    ) -> Endpoint:
        """What a side with ``codec`` brings along; raises InputError as the class does."""
        return cls(
            codec.config,
            codec.model_id,
            codec.model_hash,
            frames_per_message=frames_per_message,
            dtx=dtx,
            secret=secret,
            coder=codec.coder,
        )

    def hello(self, role: Role, call: Call, nonce: bytes) -> Hello:
        """This end's hello for ``call``."""
        capabilities = Capability(0)
        if self.secret is not None:
            capabilities |= Capability.SECRET
        if self.dtx:
            capabilities |= Capability.DTX
        if call.connections:
            capabilities |= Capability.RESUMES
        return Hello(
            role=role,
            model_id=self.model_id,
            model_hash=self.model_hash,
            rates=self.rates,
            frames_per_message=self.frames_per_message,
            call_id=call.call_id,
            nonce=nonce,
            sequence=call.next_sequence,
            capabilities=capabilities,
            tables=self.coder.checksum if self.coder is not None else 0,
        )


class Refusal(HandshakeError):
    """A handshake that fails, with the reason that the peer is told."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Handshake:
    """One side's handshake. The client greets first and proves first.

    ```
    client                          server
      | -- hello ---------------------> |  busy already? model, rates, secret fit?
      | <--------------------- hello -- |
      | -- proof ---------------------> |  only with a secret
      | <--------------------- proof -- |
    ```
    """

    def __init__(
        self,
        endpoint: Endpoint,
        role: Role,
        *,
        call: Call | None = None,
        registry: CallRegistry | None = None,
        nonce: bytes | None = None,
    ) -> None:
        if (role is Role.CLIENT) != (call is not None) or (call is None) != (registry is not None):
            raise InputError(
                "a client needs its call and no registry, a server its registry and no call"
            )
        self._endpoint = endpoint
        self._role = role
        self._call = call
        self._lobby = registry
        self._nonce = secrets.token_bytes(16) if nonce is None else nonce
        self._peer: Hello | None = None
        self._hellos = {role: b"", role.other: b""}

    @property
    def awaits_proof(self) -> bool:
        """Whether both hellos are exchanged and only the peer's proof is missing."""
        return self._peer is not None

    def open(self) -> list[Message]:
        """What to send before anything has come: the client's hello."""
        return [self._greet(self._call)] if self._call is not None else []

    def receive(
        self, message: Message, data: bytes, now: float
    ) -> tuple[list[Message], Established | None]:
        """Answer a message; the second result is there when the handshake is done.

        Args:
            message: what ``data`` decodes to.
            data: the message as it was on the wire, which the proofs cover.

        Raises Refusal when the ends do not fit together.
        """
        if isinstance(message, Hello) and self._peer is None:
            self._check(message)
            self._hellos[self._role.other] = data
            return self._on_hello(message, now)
        if isinstance(message, Proof) and self._peer is not None:
            return self._on_proof(message, self._peer, now)
        expected = "a hello" if self._peer is None else "a proof"
        raise Refusal(
            Reason.PROTOCOL, f"a {message.KIND.name.lower()} came where {expected} was expected"
        )

    def _greet(self, call: Call) -> Hello:
        hello = self._endpoint.hello(self._role, call, self._nonce)
        self._hellos[self._role] = encode(hello)
        return hello

    def _on_hello(self, peer: Hello, now: float) -> tuple[list[Message], Established | None]:
        if self._endpoint.secret is None:
            call, is_new = self._call, self._call is None
            if is_new:
                call = self._join(peer, now)
            assert call is not None
            replies: list[Message] = [self._greet(call)] if is_new else []
            return replies, self._establish(call, peer)
        self._peer = peer
        if self._call is not None:
            return [self._prove(self._endpoint.secret)], None
        # The line is taken only after the proof: until then the call is only looked up.
        assert self._lobby is not None
        known = self._lobby.find(peer.call_id, now)
        return [self._greet(known if known is not None else Call(peer.call_id))], None

    def _on_proof(
        self, proof: Proof, peer: Hello, now: float
    ) -> tuple[list[Message], Established | None]:
        secret = self._endpoint.secret
        assert secret is not None
        hellos = self._hellos[Role.CLIENT], self._hellos[Role.SERVER]
        if not secret.verify(proof.mac, self._role.other, *hellos):
            raise Refusal(
                Reason.SECRET, "the two sides hold different secrets: give both the same --secret"
            )
        if self._call is not None:
            return [], self._establish(self._call, peer)
        call = self._join(peer, now)
        return [self._prove(secret)], self._establish(call, peer)

    def _prove(self, secret: Secret) -> Proof:
        hellos = self._hellos[Role.CLIENT], self._hellos[Role.SERVER]
        return Proof(secret.proof(self._role, *hellos))

    def _join(self, peer: Hello, now: float) -> Call:
        assert self._lobby is not None
        call = self._lobby.join(peer.call_id, now)
        if call is None:
            raise Refusal(Reason.BUSY, "the line is busy with another call: try again later")
        return call

    def _establish(self, call: Call, peer: Hello) -> Established:
        resumed = bool(peer.capabilities & Capability.RESUMES) and call.window.is_near(
            peer.sequence
        )
        if not resumed:
            call.window.restart(peer.sequence)
        call.connections += 1
        coder = self._endpoint.coder
        return Established(
            call=call,
            peer=peer,
            rates=self._common_rates(peer),
            frames_per_message=max(self._endpoint.frames_per_message, peer.frames_per_message),
            resumed=resumed,
            coder=coder if coder is not None and coder.checksum == peer.tables else None,
        )

    def _common_rates(self, peer: Hello) -> tuple[int, ...]:
        return tuple(rate for rate in self._endpoint.rates if rate in peer.rates)

    def _check(self, peer: Hello) -> None:
        """Refuse a peer that does not fit, in a sentence that both users can act on."""
        own = self._endpoint
        names = ("client", "server") if self._role is Role.CLIENT else ("server", "client")
        if peer.role is not self._role.other or peer.nonce == self._nonce:
            raise Refusal(Reason.PROTOCOL, "this side got its own hello back")
        if self._call is not None and peer.call_id != self._call.call_id:
            raise Refusal(Reason.PROTOCOL, "the server answered for another call")
        if (peer.model_id, peer.model_hash) != (own.model_id, own.model_hash):
            raise Refusal(
                Reason.MODEL,
                f"the {names[0]} has model {own.model_id} ({own.model_hash.hex()}), the "
                f"{names[1]} {peer.model_id} ({peer.model_hash.hex()}): install the same version "
                "of q2d2-stream, or the same model file, on both",
            )
        if not self._common_rates(peer):
            raise Refusal(
                Reason.RATES,
                f"the {names[0]} supports rates {_listed(own.rates)}, the {names[1]} "
                f"{_listed(peer.rates)}: allow a common one on both",
            )
        if bool(peer.capabilities & Capability.SECRET) != (own.secret is not None):
            with_secret = names[0] if own.secret is not None else names[1]
            without = names[1] if own.secret is not None else names[0]
            raise Refusal(
                Reason.SECRET,
                f"the {with_secret} asks for a secret and the {without} was started without: "
                "give both the same --secret, or none",
            )


def _listed(rates: tuple[int, ...]) -> str:
    return ", ".join(str(rate) for rate in rates)
