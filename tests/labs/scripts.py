"""Scripts of calls and rooms, followed by one side: what it does is what others must do, too.

A script is a list of steps: what came, what was asked for, and when. Its answer is what the side
sent and said at every step. Random numbers of this side are fixed, so that a script can be followed
again, by Python to see whether a file is current and by the browser client to see whether it does
the same.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np

from q2d2_stream.config import CodecConfig
from q2d2_stream.entropy import IndexCoder, Tables
from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import (
    Call,
    Endpoint,
    LocalModel,
    Mute,
    ReceiverReport,
    Role,
    Secret,
    Session,
    Text,
)
from q2d2_stream.protocol.key_exchange import KeyExchange, Spake2Exchange, X25519Exchange
from q2d2_stream.rooms import RoomKeys, RoomSession

__all__ = [
    "CONFIG",
    "Caller",
    "Member",
    "Vector",
    "answer_calls",
    "answer_rooms",
    "endpoint_of",
    "plain",
    "setup_of",
]

Vector: TypeAlias = dict[str, Any]
Step: TypeAlias = dict[str, Any]

CONFIG = CodecConfig()
_SECRET = "7-guitar-orbit-velvet"
_HASH = bytes(range(8))


def _model(setup: Vector) -> LocalModel:
    coder = None
    if setup["tables"]:
        tables = Tables.from_bytes(bytes.fromhex(setup["tables"]), CONFIG)
        coder = IndexCoder(CONFIG, tables)
    model_hash = bytes.fromhex(setup["model_hash"])
    return LocalModel(CONFIG, "a model", model_hash, tuple(setup["rates"]), coder)


def endpoint_of(setup: Vector) -> Endpoint:
    """What a side brings along."""
    secret = Secret(setup["secret"]) if setup["secret"] else None
    return Endpoint((_model(setup),), setup["frames_per_message"], setup["dtx"], secret=secret)


def setup_of(**others: Any) -> Vector:
    """A side that knows the secret and has one model, but for the fields given."""
    usual = {
        "secret": _SECRET,
        "model_hash": _HASH.hex(),
        "rates": [0, 1, 2, 3],
        "tables": "",
        "frames_per_message": 3,
        "dtx": False,
    }
    return {**usual, **others}


def plain(value: Any) -> Any:
    """As JSON has it: names as TypeScript writes them, bytes in hexadecimal, 64 bits as text."""
    if isinstance(value, dict):
        return {_camel(key): plain(each) for key, each in value.items()}
    if isinstance(value, AudioFrames):
        return plain(_fields(value))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, IntEnum):
        return int(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _event(event: Any) -> Vector:
    """An event that the browser client has, too."""
    name = type(event).__name__
    if name == "Established":
        names = ("frames_per_message", "resumed", "authenticated")
        told = {name: getattr(event, name) for name in names}
        told["sending"] = list(event.sending.rates)
        told["is_coded"] = event.sending.coder is not None
        return {"type": "established", **plain(told)}
    if name == "MemberNamed":
        told = {"member": event.member, "name": event.name, "is_heard": event.model is not None}
        return {"type": "named", **plain(told)}
    return {"type": name, **plain(_fields(event))}


def _fields(value: Any) -> Vector:
    # a packet that was made before is no part of what frames are
    return {each.name: getattr(value, each.name) for each in fields(value) if each.name != "packet"}


class _Side:
    """Follows a script; the answer grows in ``answers``."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.answers: list[Vector] = []
        self.now = 0.0

    def do(self, step: Step) -> list[Any]:
        """Take a step; what the session said."""
        step = {**step, "now": self.now}
        self.steps.append(step)
        session: Any = self._begin(step) if step["do"] == "connect" else self.session
        events = self._act(session, step)
        self.answers.append(
            {
                "events": [_event(event) for event in events],
                "sent": [data.hex() for data in session.data_to_send()],
                "deadline": session.deadline,
                "rtt_s": session.rtt_s,
            }
        )
        return list(events)

    @property
    def session(self) -> Any:
        """The session that is on."""
        raise NotImplementedError

    @property
    def sent(self) -> list[bytes]:
        """What the last step made it send."""
        return [bytes.fromhex(data) for data in self.answers[-1]["sent"]]

    @property
    def received(self) -> list[bytes]:
        """All that came."""
        return [bytes.fromhex(step["data"]) for step in self.steps if step["do"] == "receive"]

    def _begin(self, step: Step) -> Any:
        raise NotImplementedError

    def _act(self, session: Any, step: Step) -> list[Any]:
        what, now = step["do"], step["now"]
        if what == "receive":
            return list(session.receive_data(bytes.fromhex(step["data"]), now))
        if what == "tick":
            return list(session.tick(now))
        if what == "audio":
            indices = np.array(step["indices"], np.uint8)
            flags = {name: step[name] for name in ("start", "end", "dtx")}
            frames = AudioFrames(step["sequence"], step["timestamp"], indices, **flags)
            session.send_audio(frames, now)
        elif what == "mute":
            session.send(Mute(step["muted"]))
        elif what == "text":
            session.send(Text(step["text"]))
        return []


class Caller(_Side):
    """Follows scripts of calls."""

    def __init__(self, setup: Vector) -> None:
        super().__init__()
        self._endpoint = endpoint_of(setup)
        self.call = Call(bytes(range(16)))
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        assert self._session is not None
        return self._session

    def _begin(self, step: Step) -> Session:
        entropy = bytes.fromhex(step["entropy"])
        secret = self._endpoint.secret
        exchange: KeyExchange = X25519Exchange(entropy[:32])
        if secret is not None:
            exchange = Spake2Exchange(secret, Role.CLIENT, lambda size: entropy[:size])
        self.call.next_sequence = step["sequence"]
        self._session = Session(
            self._endpoint,
            Role.CLIENT,
            step["now"],
            call=self.call,
            nonce=bytes.fromhex(step["nonce"]),
            exchange=exchange,
        )
        return self._session

    def _act(self, session: Session, step: Step) -> list[Any]:
        now = step["now"]
        if step["do"] == "report":
            session.send_report(ReceiverReport(**step["report"]), now)
        elif step["do"] == "close":
            return list(session.close(now))
        elif step["do"] == "lost":
            return list(session.connection_lost(now))
        return super()._act(session, step)


class Member(_Side):
    """Follows scripts of rooms."""

    def __init__(self, setup: Vector) -> None:
        super().__init__()
        self._endpoint = endpoint_of(setup)
        self._keys = RoomKeys(bytes.fromhex(setup["room"]))
        self._session: RoomSession | None = None

    @property
    def session(self) -> RoomSession:
        assert self._session is not None
        return self._session

    def _begin(self, step: Step) -> RoomSession:
        self._session = RoomSession(
            self._keys,
            self._endpoint,
            step["name"],
            step["now"],
            sequence=step["sequence"],
            nonce=bytes.fromhex(step["nonce"]),
        )
        return self._session

    def _act(self, session: RoomSession, step: Step) -> list[Any]:
        if step["do"] == "close":
            return list(session.close())
        if step["do"] == "lost":
            return list(session.connection_lost())
        return super()._act(session, step)


def _answer(side: _Side) -> Vector:
    return {"answers": side.answers, "counters": plain(asdict(side.session.counters))}


def _follow(side: _Side, steps: list[Step]) -> Vector:
    for step in steps:
        side.now = step["now"]
        side.do(step)
    return _answer(side)


def answer_calls(vector: Vector) -> Vector:
    """What a caller sends and says."""
    return _follow(Caller(vector["setup"]), vector["steps"])


def answer_rooms(vector: Vector) -> Vector:
    """What a member of a room sends and says."""
    return _follow(Member(vector["setup"]), vector["steps"])
