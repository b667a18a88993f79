"""Two sessions and a network between them, for the tests of the wire."""

from __future__ import annotations

import random
from collections import deque

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import CodecConfig
from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import (
    Call,
    CallRegistry,
    Endpoint,
    Event,
    Limits,
    LocalModel,
    Role,
    Secret,
    Session,
)
from q2d2_stream.protocol.messages import Message, encode
from q2d2_stream.protocol.sealing import Sealing

__all__ = ["CONFIG", "HASH", "SECRET", "Peers", "endpoint", "frames_of", "local_model"]

CONFIG = CodecConfig()
HASH = bytes(range(8))
SECRET = "correct horse battery staple"
_MODEL_FIELDS = ("config", "model_id", "model_hash", "rates", "coder")


def endpoint(secret: str | None = None, **fields: object) -> Endpoint:
    """An end of a call with one model, with the fields given in place of the usual ones."""
    model = {name: fields.pop(name) for name in _MODEL_FIELDS if name in fields}
    return Endpoint(
        models=(local_model(**model),),
        secret=Secret(secret) if secret is not None else None,
        **fields,  # type: ignore[arg-type]
    )


def local_model(**fields: object) -> LocalModel:
    """A model, with the fields given in place of the usual ones."""
    usual: dict[str, object] = {"config": CONFIG, "model_id": "model-a", "model_hash": HASH}
    return LocalModel(**{**usual, **fields})  # type: ignore[arg-type]


def frames_of(
    sequence: int,
    frames: int = 3,
    rate: int = 0,
    seed: int | None = None,
    *,
    start: bool = False,
    end: bool = False,
    dtx: bool = False,
) -> AudioFrames:
    """Random frames, the timestamp equal to the sequence number."""
    generator = np.random.default_rng(sequence if seed is None else seed)
    codes = CONFIG.ladder[rate].codebook_sizes
    indices: NDArray[np.uint8] = generator.integers(0, codes, (frames, len(codes))).astype(np.uint8)
    return AudioFrames(sequence, sequence, indices, start=start, end=end, dtx=dtx)


class Peers:
    """A client and a server; what each sends waits until it is delivered."""

    def __init__(
        self,
        client: Endpoint | None = None,
        server: Endpoint | None = None,
        *,
        call: Call | None = None,
        registry: CallRegistry | None = None,
        limits: Limits | None = None,
        now: float = 0.0,
    ) -> None:
        self.now = now
        self.call = call if call is not None else Call()
        self.registry = registry if registry is not None else CallRegistry()
        self.client = Session(client or endpoint(), Role.CLIENT, now, call=self.call, limits=limits)
        self.server = Session(
            server or endpoint(), Role.SERVER, now, registry=self.registry, limits=limits
        )
        self.to_client: deque[bytes] = deque()
        self.to_server: deque[bytes] = deque()
        self.client_events: list[Event] = []
        self.server_events: list[Event] = []

    @property
    def seals(self) -> Sealing:
        """What the client seals with, for messages that no session would send."""
        return self.client._open.sealing

    def tell_server(self, message: Message | bytes) -> list[Event]:
        """Deliver a control message to the server, sealed as the client's."""
        body = message if isinstance(message, bytes) else encode(message)
        return self.server.receive_data(self.seals.seal_control(body), self.now)

    def collect(self) -> None:
        """Move what the sessions want to send onto the network."""
        self.to_server += self.client.data_to_send()
        self.to_client += self.server.data_to_send()

    def deliver(self, to_client: bool) -> None:
        """Deliver the oldest message of one direction, if there is one."""
        self.collect()
        queue = self.to_client if to_client else self.to_server
        if not queue:
            return
        session = self.client if to_client else self.server
        events = self.client_events if to_client else self.server_events
        events += session.receive_data(queue.popleft(), self.now)
        self.collect()

    def settle(self, order: random.Random | None = None) -> None:
        """Deliver everything, the directions in random order when asked."""
        self.collect()
        while self.to_client or self.to_server:
            pick = order.random() < 0.5 if order is not None else bool(self.to_client)
            self.deliver(pick)
