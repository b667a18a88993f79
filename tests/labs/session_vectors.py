"""Calls and rooms as one side lives through them, for the browser client, which must do the same.

python -m tests.labs.session_vectors     holds new calls and writes tests/web/vectors/
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import CallRegistry, Mute, ReceiverReport, Role, Session, Text
from q2d2_stream.protocol.messages import Ping, encode
from q2d2_stream.protocol.sealing import Sealing
from q2d2_stream.relay.room import Outlet, Room
from q2d2_stream.rooms import RoomKeys, RoomSession
from q2d2_stream.rooms import messages as relayed
from q2d2_stream.rooms.keys import member_id
from tests.labs.codec_vectors import FOLDER
from tests.labs.entropy import coder as fitted_coder
from tests.labs.entropy import smooth_indices
from tests.labs.scripts import (
    CONFIG,
    Caller,
    Member,
    Vector,
    answer_calls,
    answer_rooms,
    endpoint_of,
    plain,
    setup_of,
)

__all__ = ["ANSWERS"]

_HASH = bytes(range(8))
_REPORT = {
    "sequence": 5,
    "received": 70_000,
    "lost": 2,
    "loss": 0.0251,
    "jitter_ms": 12.25,
    "delay_ms": 9_000.0,
    "drift_ppm": -41.25,
}


class _TestCall:
    """A caller who is recorded, and a listener."""

    def __init__(self, seed: int, setup: Vector, listener: Vector | None = None) -> None:
        self.dice = random.Random(seed)
        self.setup = setup
        self.caller = Caller(setup)
        self.listener = endpoint_of(listener or setup)
        self.registry = CallRegistry()
        self.server: Session | None = None
        self.sequence = 0
        self.timestamp = 0
        self._rows = smooth_indices(CONFIG, 400, seed)

    def connect(self) -> None:
        """Dial, and let both say what they have to."""
        dice, now = self.dice, self.caller.now
        self.server = Session(self.listener, Role.SERVER, now, registry=self.registry)
        step = {"do": "connect", "nonce": dice.randbytes(16).hex(), "sequence": self.sequence}
        self.do({**step, "entropy": dice.randbytes(64).hex()})

    def do(self, step: Vector) -> None:
        """The caller takes a step, the listener hears of it, and so on until nothing moves."""
        assert self.server is not None
        self.caller.do(step)
        sent = self.caller.sent
        while True:
            for data in sent:
                self.server.receive_data(data, self.caller.now)
            answers = self.server.data_to_send()
            if not answers:
                return
            sent = []
            for data in answers:
                self.caller.do({"do": "receive", "data": data.hex()})
                sent += self.caller.sent

    def tamper(self, data: bytes) -> None:
        """Something comes that the listener did not send."""
        self.caller.do({"do": "receive", "data": data.hex()})

    @property
    def seals(self) -> Sealing:
        """The listener's, for messages that no session would send."""
        assert self.server is not None
        return self.server._open.sealing

    def frames(
        self, rate: int, frames: int, start: bool = False, end: bool = False, dtx: bool = False
    ) -> AudioFrames:
        """The next frames of either side."""
        at = self.timestamp % 300
        rows = self._rows[at : at + frames, : CONFIG.ladder[rate].pairs]
        made = AudioFrames(self.sequence, self.timestamp, rows, start, end, dtx)
        self.sequence += frames
        self.timestamp += frames
        return made

    def talk(self, rate: int = 2, frames: int = 3, **flags: bool) -> None:
        """The caller says something, and the listener too."""
        assert self.server is not None
        self.caller.now += frames / CONFIG.frame_rate
        now = self.caller.now
        said = self.frames(rate, frames, **flags)
        self.server.send_audio(replace(said, sequence=said.sequence + 1000), now, copies=True)
        names = ("sequence", "timestamp", "indices", "start", "end", "dtx")
        self.do({"do": "audio", **{name: plain(getattr(said, name)) for name in names}})

    def wait(self, seconds: float) -> None:
        """Time passes for both."""
        assert self.server is not None
        until = self.caller.now + seconds
        while self.caller.now < until:
            deadlines = (self.caller.session.deadline, self.server.deadline)
            next_at = min((each for each in deadlines if each is not None), default=until)
            self.caller.now = min(until, max(next_at, self.caller.now + 1e-3))
            self.server.tick(self.caller.now)
            self.do({"do": "tick"})

    def vector(self) -> Vector:
        """The script."""
        return {"setup": self.setup, "steps": self.caller.steps}


def ask_calls() -> Iterator[Vector]:
    """Calls of every kind."""
    yield _long_call(1, setup_of())
    yield _long_call(2, setup_of(secret="", dtx=True, rates=[0, 2]))
    tables = fitted_coder(CONFIG).tables.to_bytes().hex()
    yield _long_call(3, setup_of(tables=tables))
    for n, listener in enumerate(
        (
            setup_of(secret="8-guitar-orbit-velvet"),
            setup_of(secret=""),
            setup_of(model_hash=_HASH[::-1].hex()),
        )
    ):
        call = _TestCall(10 + n, setup_of(rates=[0, 1]), listener)
        call.connect()
        yield call.vector()
    call = _TestCall(20, setup_of(rates=[0, 1]), setup_of(rates=[2, 3]))
    call.connect()
    yield call.vector()
    yield _hostile_call(30)
    for silence in ("hello", "auth"):
        yield _late_call(silence)
    yield from _odd_handshakes()


def _long_call(seed: int, setup: Vector) -> Vector:
    call = _TestCall(seed, setup)
    call.connect()
    for n in range(12):
        call.talk(call.setup["rates"][-1], start=n == 0)
    call.do({"do": "mute", "muted": True})
    call.do({"do": "text", "text": "¿me oyes?\x1b[2J"})
    call.do({"do": "report", "report": _REPORT})
    call.talk(0, frames=16, end=True)
    call.timestamp += 200
    call.talk(0, frames=1, dtx=True)
    call.wait(3.0)
    call.do({"do": "report", "report": _REPORT})
    call.wait(3.0)
    assert call.server is not None
    call.server.send(Mute(True))
    call.server.send(Text("I hear you"))
    call.server.send_report(ReceiverReport(9, 8, 7, 0.5, 4.0, 3.0, 2.0), call.caller.now)
    call.talk(0)
    call.do({"do": "lost"})
    call.sequence += 50
    call.caller.now += 1.0
    call.connect()  # the call goes on
    call.talk(0)
    call.do({"do": "lost"})
    call.registry = CallRegistry()
    call.connect()  # with a listener that was started again, and knows nothing of it
    call.talk(0)
    call.server.close(call.caller.now, "see you")
    call.do({"do": "tick"})
    return call.vector()


def _hostile_call(seed: int) -> Vector:
    """The listener's messages changed, repeated, late, and of all kinds."""
    call = _TestCall(seed, setup_of())
    call.connect()
    call.talk()
    dice, seals = call.dice, call.seals
    body = b"\x08" + bytes(4) + bytes.fromhex("021a621e89ff000000")
    genuine = seals.seal_audio(2_000, body)
    call.tamper(genuine)
    call.tamper(genuine)
    for at in (0, 2, len(genuine) - 1):
        changed = bytearray(seals.seal_audio(2_100 + at, body))
        changed[at] ^= 1 << dice.randrange(6)
        call.tamper(bytes(changed))
    for junk in (b"", b"\x80", b"\xc0\x00", b"\x04\x01\x00\x00", bytes(3000)):
        call.tamper(junk)
    sequence = 2_200
    for odd in (
        b"",  # nothing at all
        b"\x40",  # a flag of a later version
        b"\x08\x00",  # cut within the timestamp
        b"\x10\x05abc",  # within the rider
        b"\x08" + bytes(4) + b"\x72" + bytes(3),  # the reserved rate
        b"\x08" + bytes(4) + b"\x42" + bytes(3),  # no rate of this model
        b"\x08" + bytes(4) + b"\x82" + bytes(3),  # coded, without tables
        b"\x08" + bytes(4) + b"\x02" + bytes(2),  # of another length
        b"\x08" + bytes(4) + b"\x02" + b"\xff" * 8,  # no indices
        b"\x18" + bytes(4) + b"\x02\x14\x01" + body[5:],  # a mute must not ride
        b"\x18" + bytes(4) + b"\x01\x63" + body[5:],  # a kind of a later version may
        b"\x18" + bytes(4) + b"\x00" + body[5:],  # nothing rides
        b"\x38" + bytes(4) + b"\x05\x18\x00\x00\x00\x00\x02\x00\x00" + body[5:],
    ):
        sequence += 16
        call.tamper(seals.seal_audio(sequence, odd))
    for odd in (
        b"",
        b"\x11",
        b"\x12" + bytes(12),
        b"\x13" + bytes(5),
        b"\x14",
        b"\x15\x05\x00ab",
        b"\x15\x02\x00\xff\xfe",
        b"\x15\xff\xff" + bytes(100),
        b"\x18\x00",
        b"\x63later",
        b"\x02" + bytes(16),
        b"\x01Q2D2\x02" + bytes(60),
        encode(Text("plain \N{RIGHT-TO-LEFT OVERRIDE} and \x00 odd \N{NO-BREAK SPACE}")),
        encode(Ping(2**64 - 1)),
        encode(Mute(True)) + b"more than is known",
    ):
        call.tamper(seals.seal_control(odd))
    for n in range(60):  # more than may be malformed
        call.tamper(seals.seal_control(b"\x01Q2D2\x09"))
        if n == 30:
            call.caller.now += 2.0
    return call.vector()


def _odd_handshakes() -> Iterator[Vector]:
    """What a listener must not say before its auth."""
    setup = setup_of()
    registry = CallRegistry()
    connect = {"do": "connect", "nonce": "31" * 16, "sequence": 0, "entropy": "17" * 64}

    def hello_to(caller: Caller) -> bytes:
        server = Session(endpoint_of(setup), Role.SERVER, 0.0, registry=registry)
        server.receive_data(caller.sent[0], 0.0)
        (hello,) = server.data_to_send()
        return hello

    def changed(hello: bytes, at: int, data: bytes) -> bytes:
        return hello[:at] + data + hello[at + len(data) :]

    def answers(caller: Caller) -> Iterator[list[bytes]]:
        hello, own = hello_to(caller), caller.sent[0]
        yield [own]  # reflected
        yield [changed(own, 6, b"\x01")]  # and its role changed
        yield [changed(hello, 15, bytes(16))]  # of another call
        yield [changed(hello, 5, b"\x03")]  # of another version
        yield [changed(hello, 48, own[48:81])]  # our own share
        yield [changed(hello, 49, b"\x01" + bytes(31))]  # a share that is zero
        yield [changed(hello, 49, b"\xff" * 32)]  # or no point
        yield [hello + b"what a later version says", b"\x02" + bytes(16)]
        yield [hello, hello]
        yield [b"\x02" + bytes(16)]
        yield [b"\x14\x01"]
        yield [bytes(769)]
        yield [b"\x7f"] * 9
        yield [hello, b"\xc0\x00" + bytes(12)]
        yield [b"\x03\x63\x02\x00no"]

    count = len(list(answers(_greeting(setup, connect))))
    for n in range(count):
        caller = _greeting(setup, connect)
        for data in list(answers(caller))[n]:
            caller.do({"do": "receive", "data": data.hex()})
        yield {"setup": setup, "steps": caller.steps}


def _greeting(setup: Vector, connect: Vector) -> Caller:
    caller = Caller(setup)
    caller.do(connect)
    return caller


def _late_call(silence: str) -> Vector:
    """The listener says nothing any more."""
    call = _TestCall(40, setup_of())
    caller = call.caller
    server = Session(call.listener, Role.SERVER, 0.0, registry=call.registry)
    step = {"do": "connect", "nonce": "31" * 16, "sequence": 0, "entropy": "17" * 64}
    caller.do(step)
    if silence == "auth":
        server.receive_data(caller.sent[0], 0.0)
        (hello,) = server.data_to_send()
        caller.do({"do": "receive", "data": hello.hex()})
    for now in (2.0, 4.9, 5.0, 6.0):
        caller.now = now
        caller.do({"do": "tick"})
    return call.vector()


def ask_rooms() -> Iterator[Vector]:
    """A stay in a room, one that does not come about, and hostile members and relays."""
    tables = fitted_coder(CONFIG).tables.to_bytes().hex()
    room = {"room": bytes(range(16)).hex(), "secret": ""}
    yield _stay(setup_of(**room, tables=tables))
    for last in (
        bytes.fromhex("23020400") + b"no!\x1b",
        bytes.fromhex("23630000"),
        bytes.fromhex("20") + b"Q2RM\x02" + bytes(32),
        b"\x22" + bytes(17),
    ):
        side = Member(setup_of(**room))
        side.do({"do": "connect", "nonce": "41" * 16, "sequence": 0, "name": ""})
        if last[0] != 0x20:
            side.do({"do": "receive", "data": _CHALLENGE.hex()})
        side.do({"do": "receive", "data": last.hex()})
        side.now = 5.0
        side.do({"do": "tick"})
        yield {"setup": setup_of(**room), "steps": side.steps}


class _Ear(Outlet):
    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def forward(self, data: bytes, *, audio: bool) -> None:
        self.heard.append(data)


class _TestRoom:
    """A member who is recorded, others, and a relay."""

    def __init__(self, setup: Vector) -> None:
        self.setup = setup
        self.member = Member(setup)
        self.room = Room(b"a relay!", 4, 32)
        self.ears: dict[bytes, _Ear] = {}
        self.others: dict[bytes, RoomSession] = {}

    def enter(self, name: str, setup: Vector, nonce: bytes) -> RoomSession:
        """Somebody else comes in."""
        keys = RoomKeys(bytes.fromhex(self.setup["room"]))
        session = RoomSession(keys, endpoint_of(setup), name, self.member.now, nonce=nonce)
        session.receive_data(_CHALLENGE, self.member.now)
        session.data_to_send()
        self.others[nonce] = session
        self._let_in(nonce)
        return session

    def enter_recorded(self, nonce: bytes, sequence: int) -> None:
        """The one who is recorded comes in."""
        step = {"do": "connect", "nonce": nonce.hex(), "sequence": sequence, "name": "Ann\n"}
        self.nonce = nonce
        self.member.do(step)
        self.member.do({"do": "receive", "data": _CHALLENGE.hex()})
        self._let_in(nonce)

    def _let_in(self, nonce: bytes) -> None:
        self.ears[nonce] = _Ear()
        self.room.join(nonce, self.ears[nonce])
        self.carry()

    def leave(self, nonce: bytes) -> None:
        """Somebody's connection ends."""
        del self.ears[nonce], self.others[nonce]
        self.room.leave(nonce)
        self.carry()

    def do(self, step: Vector) -> None:
        """The member takes a step, and all hear of it."""
        self.member.do(step)
        self._relay(self.nonce, self.member.sent)
        self.carry()

    def carry(self) -> None:
        """Carry everything to where it belongs, until nothing moves."""
        while any(ear.heard for ear in self.ears.values()) or self._hear_others():
            for nonce, ear in list(self.ears.items()):
                heard, ear.heard = ear.heard, []
                for data in heard:
                    if nonce in self.others:
                        self.others[nonce].receive_data(data, self.member.now)
                    else:
                        self.member.do({"do": "receive", "data": data.hex()})
                        self._relay(nonce, self.member.sent)

    def _hear_others(self) -> bool:
        said = {nonce: session.data_to_send() for nonce, session in self.others.items()}
        for nonce, data in said.items():
            self._relay(nonce, data)
        return any(said.values())

    def _relay(self, nonce: bytes, sent: list[bytes]) -> None:
        for data in sent:
            message = relayed.decode(data, from_member=True)
            if isinstance(message, relayed.Sent):
                self.room.receive(message, nonce, self.member.now)
            elif isinstance(message, relayed.Ping) and nonce in self.ears:
                self.ears[nonce].forward(relayed.encode(relayed.Pong(message.time_us)), audio=False)

    def tamper(self, data: bytes) -> None:
        """The relay says something of its own."""
        self.member.do({"do": "receive", "data": data.hex()})

    def wait(self, seconds: float) -> None:
        """Time passes for all."""
        until = self.member.now + seconds
        while self.member.now < until:
            deadline = self.member.session.deadline or until
            self.member.now = min(until, max(deadline, self.member.now + 1e-3))
            for session in self.others.values():
                session.tick(self.member.now)
            self.do({"do": "tick"})


_CHALLENGE = relayed.encode(relayed.Challenge(bytes(range(32))))


def _stay(setup: Vector) -> Vector:
    """People come, talk and go; some have other tables, one another model."""
    lab = _TestRoom(setup)
    rows = smooth_indices(CONFIG, 400, 5)
    bob = lab.enter("Bob", setup, b"b" * 16)
    lab.enter_recorded(b"a" * 16, 7)

    def talk(sequence: int, session: RoomSession | None = None) -> None:
        lab.member.now += 0.04
        for other in lab.others.values():
            other.tick(lab.member.now)
        lab.carry()
        said = AudioFrames(sequence, 2 * sequence, rows[sequence : sequence + 3, :6], start=True)
        if session is not None:
            session.send_audio(said, lab.member.now)
            lab.carry()
            return
        names = ("sequence", "timestamp", "indices", "start", "end", "dtx")
        lab.do({"do": "audio", **{name: plain(getattr(said, name)) for name in names}})

    for sequence in range(10, 34, 3):
        talk(sequence)
        talk(sequence + 100, bob)
    lab.do({"do": "mute", "muted": True})
    lab.do({"do": "text", "text": "hello"})
    eve = lab.enter(
        "Eve\N{NO-BREAK SPACE}\x07", {**setup, "tables": "", "rates": [1, 2]}, b"e" * 16
    )
    talk(40)
    talk(40, eve)
    lab.enter("Kim", {**setup, "model_hash": _HASH[::-1].hex()}, b"k" * 16)
    lab.wait(5.0)
    for note in ("one", "two", "three", "four", "five", "six", "seven"):
        eve.send(Text(note))
    bob.send(Mute(True))
    lab.carry()
    lab.leave(b"e" * 16)
    talk(50)
    talk(150, bob)
    sealed = next(data for data in reversed(lab.member.received) if data[0] == 49)
    number = member_id(b"b" * 16).to_bytes(4, "little")
    for junk in (
        sealed,  # once more
        sealed[:-1] + bytes([sealed[-1] ^ 1]),
        b"\x31" + bytes(4) + sealed[5:],  # of nobody
        b"\x32" + number + bytes(4) + b"\xc0\x00" + bytes(20),
        b"\x32" + number,
        b"",
        b"\x24" + bytes(3),
        b"\x25" + bytes(4),
        b"\x29" + bytes(8),
        b"\x22" + bytes(16),
        b"\x63",
        bytes(3000),
        b"\x26",
    ):
        lab.tamper(junk)
    lab.wait(1.0)
    lab.do({"do": "lost"})
    lab.member.now += 1.0
    lab.do({"do": "tick"})
    return {"setup": setup, "steps": lab.member.steps}


ANSWERS: dict[str, Callable[[Vector], Vector]] = {"calls": answer_calls, "rooms": answer_rooms}
"""Every file's name without its ending, and what answers its scripts."""

_QUESTIONS: dict[str, Callable[[], Iterator[Vector]]] = {"calls": ask_calls, "rooms": ask_rooms}


def main() -> None:
    """Write the files."""
    for name, ask in _QUESTIONS.items():
        vectors = [{**question, **ANSWERS[name](question)} for question in ask()]
        lines = ",\n".join(json.dumps(vector) for vector in vectors)
        (FOLDER / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
