"""The handshake of one side: hellos, then proof that both sides have the same keys."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from q2d2_stream.errors import HandshakeError, InputError
from q2d2_stream.protocol.endpoint import Direction, Endpoint, LocalModel
from q2d2_stream.protocol.events import Established
from q2d2_stream.protocol.hello import Auth, Hello, ModelOffer
from q2d2_stream.protocol.key_exchange import KeyExchange, Method, key_exchange
from q2d2_stream.protocol.key_schedule import KeySchedule, transcript_hash
from q2d2_stream.protocol.kinds import Capability, Reason, Role
from q2d2_stream.protocol.messages import Message, encode
from q2d2_stream.protocol.registry import Call, CallRegistry
from q2d2_stream.protocol.sealing import Sealing

__all__ = ["Agreed", "Handshake", "Rejection"]


class Rejection(HandshakeError):
    """A handshake that fails, with the reason that the peer is told."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Agreed(NamedTuple):
    """What a handshake ends in: what the two sides agreed on, and what seals what follows."""

    established: Established
    sealing: Sealing


class Handshake:
    """One side's handshake. The client greets first and confirms first.

    ```
    client                          server
      | -- hello ---------------------> |  method, models, rates fit?
      | <--------------------- hello -- |
      | -- auth ----------------------> |  same keys? busy?
      | <---------------------- auth -- |  same keys?
    ```

    The client confirms first, so that a guess at the server's secret is always one that the
    server sees.

    Args:
        endpoint: what this end brings along.
        role: CLIENT when this side dialled, SERVER when it listened.
        call: the client's call.
        registry: the server's calls.
        channel: what names the TLS connection below; empty without one.
        nonce, exchange: in place of random ones, for tests.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        role: Role,
        *,
        call: Call | None = None,
        registry: CallRegistry | None = None,
        channel: bytes = b"",
        nonce: bytes | None = None,
        exchange: KeyExchange | None = None,
    ) -> None:
        if (role is Role.CLIENT) != (call is not None) or (call is None) != (registry is not None):
            raise InputError(
                "a client needs its call and no registry, a server its registry and no call"
            )
        self._endpoint = endpoint
        self._role = role
        self._call = call
        self._registry = registry
        self._channel = channel
        self._nonce = secrets.token_bytes(16) if nonce is None else nonce
        # A server makes its share only for a client that fits: it costs milliseconds.
        self._exchange = exchange
        self._peer: Hello | None = None
        self._own: Hello | None = None
        self._hellos = {role: b"", role.other: b""}
        self._resumption = b""
        self._schedule: KeySchedule | None = None

    @property
    def awaits_auth(self) -> bool:
        """Whether both hellos are exchanged and only the peer's auth is missing."""
        return self._peer is not None

    def open(self) -> list[Message]:
        """What to send before anything has come: the client's hello."""
        return [self._greet(self._call)] if self._call is not None else []

    def receive(
        self, message: Message, data: bytes, now: float
    ) -> tuple[list[Message], Agreed | None]:
        """Answer a message; the second result is there when the handshake is done.

        Args:
            message: what ``data`` decodes to.
            data: the message as it was on the wire, which goes into the keys.
            now: seconds, from any monotonic origin.

        Raises Rejection when the ends do not fit together.
        """
        if isinstance(message, Hello) and self._peer is None:
            self._check(message)
            self._hellos[self._role.other] = data
            return self._on_hello(message, now), None
        if isinstance(message, Auth) and self._peer is not None:
            return self._on_auth(message, self._peer, now)
        expected = "a hello" if self._peer is None else "an auth"
        raise Rejection(
            Reason.PROTOCOL, f"a {message.KIND.name.lower()} came where {expected} was expected"
        )

    def _greet(self, call: Call) -> Hello:
        endpoint = self._endpoint
        if self._exchange is None:
            self._exchange = key_exchange(endpoint.secret, self._role)
        capabilities = Capability(0)
        if endpoint.dtx:
            capabilities |= Capability.DTX
        if endpoint.udp:
            capabilities |= Capability.UDP
        self._resumption = call.resumption
        if self._resumption:
            capabilities |= Capability.RESUMES
        if self._channel:
            capabilities |= Capability.CHANNEL
        self._own = Hello(
            role=self._role,
            method=self._exchange.method,
            share=self._exchange.share,
            models=tuple(model.offer for model in endpoint.models),
            frames_per_message=endpoint.frames_per_message,
            call_id=call.call_id,
            nonce=self._nonce,
            sequence=call.next_sequence,
            capabilities=capabilities,
        )
        self._hellos[self._role] = encode(self._own)
        return self._own

    def _on_hello(self, peer: Hello, now: float) -> list[Message]:
        self._peer = peer
        if self._call is not None:
            return [Auth(self._keys(peer).confirmation(self._role))]
        # The line is taken only after the auth: until then the call is only looked up.
        assert self._registry is not None
        known = self._registry.find(peer.call_id, now)
        return [self._greet(known if known is not None else Call(peer.call_id))]

    def _on_auth(self, auth: Auth, peer: Hello, now: float) -> tuple[list[Message], Agreed | None]:
        keys = self._keys(peer)
        if not keys.confirms(auth.mac, self._role.other):
            raise self._unconfirmed()
        replies: list[Message] = []
        call = self._call
        if call is None:
            call = self._join(peer, now)
            replies = [Auth(keys.confirmation(self._role))]
        return replies, self._establish(call, peer, keys, now)

    def _keys(self, peer: Hello) -> KeySchedule:
        if self._schedule is not None:
            return self._schedule
        assert self._exchange is not None
        assert self._own is not None
        both = self._own.capabilities & peer.capabilities
        channel = self._channel if both & Capability.CHANNEL else b""
        resumption = self._resumption if both & Capability.RESUMES else b""
        transcript = transcript_hash(self._hellos[Role.CLIENT], self._hellos[Role.SERVER], channel)
        try:
            shared = self._exchange.finish(peer.share)
        except HandshakeError as error:
            raise Rejection(Reason.PROTOCOL, str(error)) from error
        self._schedule = KeySchedule(shared, transcript, resumption)
        return self._schedule

    def _unconfirmed(self) -> Rejection:
        if self._endpoint.secret is not None:
            return Rejection(
                Reason.SECRET,
                "the two sides hold different secrets, or somebody between them changed a "
                "message: give both the same --secret",
            )
        return Rejection(
            Reason.PROTOCOL,
            "the two sides have not the same keys: somebody between them changed a message, or "
            "this is not the caller whose call goes on",
        )

    def _join(self, peer: Hello, now: float) -> Call:
        assert self._registry is not None
        assert self._own is not None
        known = self._registry.find(peer.call_id, now)
        resumes = bool(self._own.capabilities & peer.capabilities & Capability.RESUMES)
        authenticated = self._endpoint.secret is not None
        call = None
        # Without a secret a call id is all that a stranger needs to know, and it is sent in the
        # clear: who does not have the call's own secret does not get a call that is on.
        if authenticated or resumes or known is None or not known.resumption:
            call = self._registry.join(peer.call_id, now, authenticated=authenticated)
        if call is None:
            raise Rejection(Reason.BUSY, "the line is busy with another call: try again later")
        return call

    def _establish(self, call: Call, peer: Hello, keys: KeySchedule, now: float) -> Agreed:
        assert self._own is not None
        resumed = bool(peer.capabilities & Capability.RESUMES) and call.window.is_near(
            peer.sequence
        )
        if not resumed:
            call.window.restart(peer.sequence)
        call.connections += 1
        if not self._own.capabilities & peer.capabilities & Capability.RESUMES:
            call.begin(keys.resumption())
        if self._role is Role.CLIENT:
            call.hear(now)  # the server's auth; a server waits for the first sealed message
        sealing = Sealing(
            keys.direction(self._role),
            keys.direction(self._role.other),
            send_sequence=self._own.sequence,
            receive_sequence=peer.sequence,
        )
        own = self._endpoint
        sending, receiving = own.model_for_sending(peer), own.model_for_receiving(peer)
        assert sending is not None
        assert receiving is not None
        both = self._own.capabilities & peer.capabilities
        established = Established(
            call=call,
            peer=peer,
            sending=_direction(sending, peer),
            receiving=_direction(receiving, peer),
            frames_per_message=max(own.frames_per_message, peer.frames_per_message),
            resumed=resumed,
            authenticated=own.secret is not None,
            path_token=keys.path_token() if both & Capability.UDP else b"",
        )
        return Agreed(established, sealing)

    def _check(self, peer: Hello) -> None:
        """Refuse a peer that does not fit, in a sentence that both users can act on."""
        own = self._endpoint
        names = ("client", "server") if self._role is Role.CLIENT else ("server", "client")
        if peer.role is not self._role.other or peer.nonce == self._nonce:
            raise Rejection(Reason.PROTOCOL, "this side got its own hello back")
        if self._call is not None and peer.call_id != self._call.call_id:
            raise Rejection(Reason.PROTOCOL, "the server answered for another call")
        if (peer.method is Method.SPAKE2) != (own.secret is not None):
            with_secret, without = names if own.secret is not None else reversed(names)
            raise Rejection(
                Reason.SECRET,
                f"the {with_secret} asks for a secret and the {without} was started without: "
                "give both the same --secret, or none",
            )
        for model in (own.model_for_sending(peer), own.model_for_receiving(peer)):
            if model is None:
                raise Rejection(
                    Reason.MODEL,
                    f"the {names[0]} has model {_listed(m.offer for m in own.models)}, the "
                    f"{names[1]} {_listed(peer.models)}: install the same version of "
                    "q2d2-stream, or give both a model that the other has",
                )
            if not _direction(model, peer).rates:
                offer = _offer_of(model, peer)
                raise Rejection(
                    Reason.RATES,
                    f"the {names[0]} supports rates {_listed(model.rates)} of model "
                    f"{model.model_id}, the {names[1]} {_listed(offer.rates)}: allow a common "
                    "one on both",
                )


def _offer_of(model: LocalModel, peer: Hello) -> ModelOffer:
    return next(offer for offer in peer.models if offer.model_hash == model.model_hash)


def _direction(model: LocalModel, peer: Hello) -> Direction:
    """How ``model`` is used with ``peer``: the rates that both have, coded if both have tables."""
    offer = _offer_of(model, peer)
    coder = model.coder
    return Direction(
        model=model,
        rates=tuple(rate for rate in model.rates if rate in offer.rates),
        coder=coder if coder is not None and coder.checksum == offer.tables else None,
    )


def _listed(items: object) -> str:
    return ", ".join(str(item) for item in items)  # type: ignore[attr-defined]
