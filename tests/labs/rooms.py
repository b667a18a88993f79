"""Rooms for tests: endpoints, frames, and a relay without sockets."""

from __future__ import annotations

import numpy as np

from q2d2_stream.config import CodecConfig
from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import Endpoint
from q2d2_stream.protocol.endpoint import LocalModel
from q2d2_stream.relay.room import Outlet, Room
from q2d2_stream.rooms import RoomEvent, RoomKeys, RoomLink, RoomSession
from q2d2_stream.rooms.keys import member_id
from q2d2_stream.rooms.messages import Challenge, Join, Ping, Pong, Sent, decode, encode

__all__ = ["CONFIG", "MemoryRelay", "endpoint", "frames_of", "keys"]

CONFIG = CodecConfig()
_LINK = RoomLink.new("http://127.0.0.1:9")


def keys() -> RoomKeys:
    """Those of the room that all tests share."""
    return RoomKeys(_LINK.secret)


def endpoint(name: str = "a model") -> Endpoint:
    """A side with one model, whose hash hangs on its name."""
    return Endpoint((LocalModel(CONFIG, name, name.encode().ljust(8)[:8]),))


def frames_of(sequence: int, frames: int = 3, rate: int = 2) -> AudioFrames:
    """Frames that tell their number."""
    pairs = CONFIG.ladder[rate].pairs
    indices = np.full((frames, pairs), sequence % 40, np.uint8)
    return AudioFrames(sequence, sequence, indices)


class _Ear(Outlet):
    def __init__(self, session: RoomSession, events: list[RoomEvent]) -> None:
        self._session, self._events = session, events
        self.now = 0.0
        self.raw: list[bytes] = []

    def forward(self, data: bytes, *, audio: bool) -> None:
        self.raw.append(data)
        self._events += self._session.receive_data(data, self.now)


class MemoryRelay:
    """One room, its members and their events, driven by :meth:`pump`."""

    def __init__(self, speakers: int = 4) -> None:
        self.room = Room(b"a relay!", speakers, 32)
        self.sessions: dict[int, RoomSession] = {}
        self.events: dict[int, list[RoomEvent]] = {}
        self.ears: dict[int, _Ear] = {}
        self._nonces: dict[int, bytes] = {}

    def enter(self, name: str, side: Endpoint | None = None, now: float = 0.0) -> RoomSession:
        """Let somebody in, and everybody hear of it."""
        session = RoomSession(keys(), side or endpoint(), name, now)
        session.receive_data(encode(Challenge(bytes(32))), now)
        (join,) = [decode(data, from_member=True) for data in session.data_to_send()]
        assert isinstance(join, Join)
        number = member_id(join.nonce)
        self.sessions[number], self.events[number] = session, []
        ear = self.ears[number] = _Ear(session, self.events[number])
        ear.now = now
        self._nonces[number] = join.nonce
        self.room.join(join.nonce, ear)
        self.pump(now)
        return session

    def leave(self, session: RoomSession) -> None:
        """Somebody's connection ends."""
        number = session.member
        del self.sessions[number]
        self.room.leave(self._nonces[number])

    def pump(self, now: float) -> None:
        """Carry everything to where it belongs until nothing moves."""
        for number, session in list(self.sessions.items()):
            self.events[number] += session.tick(now)
        moved = True
        while moved:
            moved = False
            for number, session in list(self.sessions.items()):
                self.ears[number].now = now
                for data in session.data_to_send():
                    moved = True
                    message = decode(data, from_member=True)
                    if isinstance(message, Sent):
                        self.room.receive(message, self._nonces[number], now)
                    elif isinstance(message, Ping):
                        self.ears[number].forward(encode(Pong(message.time_us)), audio=False)
