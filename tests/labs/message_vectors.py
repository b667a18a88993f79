"""Messages as they come from outside, well formed and not: what they mean, or a refusal.

python -m tests.labs.message_vectors     writes tests/web/vectors/messages.json
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

from q2d2_stream.errors import FormatError, HandshakeError, InputError, WireError
from q2d2_stream.packet import Toc
from q2d2_stream.protocol import Mute, Reason, ReceiverReport, Role, Text
from q2d2_stream.protocol import messages as control
from q2d2_stream.protocol.audio import AudioBody
from q2d2_stream.protocol.hello import Auth, Bye, Hello, ModelOffer, Reject
from q2d2_stream.protocol.key_exchange import Method
from q2d2_stream.protocol.kinds import Capability, Kind
from q2d2_stream.protocol.messages import Echo, Ping, Pong
from q2d2_stream.rooms import RoomLink, messages
from q2d2_stream.rooms.code_messages import CodeAnswer, CodeGrant
from q2d2_stream.rooms.intro import INTRO_KIND, Intro
from q2d2_stream.rooms.kinds import RoomKind, RoomReason
from tests.labs.codec_vectors import FOLDER
from tests.labs.scripts import Vector, plain

__all__ = ["ANSWERS", "FILE"]

FILE = FOLDER / "messages.json"
_OFFERS = (
    ModelOffer("q2d2-24k-1", bytes(range(1, 9)), (0, 1, 2, 3), tables=0x1A2B3C4D),
    ModelOffer("\N{GREEK SMALL LETTER MU}", bytes(8), (6,)),
)
# What a browser has nothing to do with reads as unknown there.
_NOT_IN_BROWSERS = (Kind.PATH_PROBE, Kind.PATH_ANSWER)
_TO_MEMBERS = (
    RoomKind.CHALLENGE,
    RoomKind.WELCOME,
    RoomKind.REFUSED,
    RoomKind.JOINED,
    RoomKind.LEFT,
    RoomKind.MOVED,
    RoomKind.PONG,
    RoomKind.CODE_ANSWER,
    RoomKind.CODE_GRANT,
    RoomKind.AUDIO,
    RoomKind.VOICE,
    RoomKind.CONTROL,
)


def _control() -> list[bytes]:
    hello = Hello(
        Role.SERVER,
        Method.SPAKE2,
        bytes(33),
        _OFFERS,
        16,
        bytes(range(16)),
        bytes(range(16, 32)),
        2**32 - 1,
        Capability(0xFFFF),
    )
    made = (
        hello,
        Auth(bytes(range(16))),
        Reject(Reason.BUSY, "the line is busy\x1b[2J with \N{RIGHT-TO-LEFT OVERRIDE} another call"),
        Bye(Reason.ENDED, "x" * 500),
        Ping(2**64 - 1),
        Pong(12_345, 678),
        ReceiverReport(77, 78, 2, 0.025, 12.5, 80.0, -41.5),
        Mute(False),
        Text("\N{PILE OF POO}" * 250),
        Echo(0x234F, 0.005),
    )
    return [control.encode(each) for each in made]


def _relayed() -> list[bytes]:
    made: list[messages.RelayMessage] = [
        messages.Challenge(bytes(range(32))),
        messages.Welcome((bytes(16), bytes(range(16)))),
        messages.Welcome(()),
        messages.Refused(RoomReason.FULL, "the room is \u2028 full"),
        messages.Joined(bytes(range(16))),
        messages.Left(2**32 - 1),
        messages.Moved(),
        messages.Pong(2**63),
        CodeAnswer(7, bytes(33)),
        CodeGrant(8, b"sealed"),
        CodeGrant(9, b""),
    ]
    number = (7).to_bytes(4, "little")
    sent = [bytes([kind]) + number + bytes(20) for kind in (48, 49, 50)]
    return [messages.encode(each) for each in made] + sent


def _intros() -> list[bytes]:
    made = Intro("Ann \N{SNOWMAN}\n", _OFFERS, 9), Intro("", _OFFERS[:1], 0)
    return [bytes([INTRO_KIND]) + each.to_body() for each in made]


def _audio() -> list[bytes]:
    packet = bytes.fromhex("021a621e89ff000000")
    rider = control.encode(Echo(5, 0.25))
    toc = Toc.from_packet(packet)
    made = (
        AudioBody(
            AudioBody.from_bytes(b"\x08" + bytes(4) + packet).flags, 0, b"", b"", toc, packet
        ),
        AudioBody.from_bytes(b"\x3b" + bytes(4) + b"\x05" + rider + b"\x02\x00\x00" + packet),
        AudioBody.from_bytes(b"\x10\x00" + packet),
    )
    return [each.to_bytes() for each in made] + [b"\x10\x00" + packet]


_LINKS = (
    "https://relay.example/#k=Zm9yIGV2ZXJ5Ym9keSBoZQ&r=https://other.example",
    " http://127.0.0.1:8000/room?x=1#r=http://localhost&k=AAAAAAAAAAAAAAAAAAAA-_ ",
    "https://[2001:db8::1]:8443/#k=AAAAAAAAAAAAAAAAAAAAAA",
    "http://relay.example/#k=AAAAAAAAAAAAAAAAAAAAAA",
    "https://relay.example/#k=AAAAAAAAAAAAAAAAAAAAA",
    "https://relay.example/#k=AAAAAAAAAAAAAAAAAAAAAA&k=AAAAAAAAAAAAAAAAAAAAAA",
    "https://relay.example/?k=AAAAAAAAAAAAAAAAAAAAAA",
    "https://me@relay.example/#k=AAAAAAAAAAAAAAAAAAAAAA",
    "wss://relay.example/#k=AAAAAAAAAAAAAAAAAAAAAA",
    "https:///#k=AAAAAAAAAAAAAAAAAAAAAA",
    "https://relay.example/#k=AAAAAAAAAAAAAAAAAAAAAA&r=http://relay.example",
    "https://a.example/#k=AAAAAAAAAAAAAAAAAAAAAA" + "&r=https://b.example" * 8,
    "",
)


def ask() -> Iterator[Vector]:
    """Good messages of every kind, and what becomes of them on a bad way."""
    dice = random.Random(4)
    for name, makers in (
        ("control", _control),
        ("relay", _relayed),
        ("intro", _intros),
        ("audio", _audio),
    ):
        good = makers()
        yield {"of": name, "data": [data.hex() for data in good]}
        bad = [data[:end] for data in good for end in range(0, len(data), 1 + len(data) // 12)]
        bad += [_changed(dice, dice.choice(good)) for _ in range(150)]
        yield {"of": name, "data": [data.hex() for data in bad]}
    yield {"of": "link", "data": list(_LINKS)}


def _changed(dice: random.Random, data: bytes) -> bytes:
    """A message with some bytes changed, cut out or put in."""
    out = bytearray(data)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(out)) if out else 0
        what = dice.randrange(3)
        if what == 0 or not out:
            out.insert(at, dice.randrange(256))
        elif what == 1:
            out[at] ^= 1 << dice.randrange(8)
        else:
            del out[at]
    return bytes(out)


def _meaning(value: Any) -> Any:
    """Fields of a message, as JSON."""
    if isinstance(value, tuple):
        return [_meaning(each) for each in value]
    if not hasattr(value, "__dataclass_fields__"):
        return plain(value)
    told = {each.name: _meaning(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Ping | Pong | messages.Pong):
        told["time_us"] = str(value.time_us)
    told.pop("voiced", None)  # which the kind tells
    return plain(told)


def _read_control(data: bytes) -> Any:
    message = control.decode(data)
    if isinstance(message, control.Unknown) or data[0] in _NOT_IN_BROWSERS:
        return "unknown"
    return {"kind": data[0], **_meaning(message)}


def _read_relayed(data: bytes) -> Any:
    if data[:1] and data[0] not in _TO_MEMBERS:
        return "unknown"
    message = messages.decode(data)
    if isinstance(message, messages.Unknown):
        return "unknown"
    return {"kind": data[0], **_meaning(message)}


def _read_intro(data: bytes) -> Any:
    if data[:1] != bytes([INTRO_KIND]):
        return "unknown"
    return _meaning(Intro.from_body(data[1:]))


def _read_audio(data: bytes) -> Any:
    body = AudioBody.from_bytes(data)
    return {**plain(body._asdict()), "flags": int(body.flags), "toc": _meaning(body.toc)}


def _read_link(text: str) -> Any:
    link = RoomLink.parse(text)
    return {"secret": link.secret.hex(), "urls": link.websocket_uris(), "text": str(link)}


ANSWERS: dict[str, Callable[[Any], Any]] = {
    "control": _read_control,
    "relay": _read_relayed,
    "intro": _read_intro,
    "audio": _read_audio,
}


def answer(vector: Vector) -> Vector:
    """What each message means; a word where it is refused or not known."""
    if vector["of"] == "link":
        return {"means": [_or_refused(_read_link, text) for text in vector["data"]]}
    read = ANSWERS[vector["of"]]
    return {"means": [_or_refused(read, bytes.fromhex(data)) for data in vector["data"]]}


def _or_refused(read: Callable[[Any], Any], data: Any) -> Any:
    try:
        return read(data)
    except HandshakeError:
        return "another version"
    except (WireError, FormatError, InputError):
        return "malformed"


def main() -> None:
    """Write the file."""
    vectors = [{**question, **answer(question)} for question in ask()]
    lines = ",\n".join(json.dumps(vector) for vector in vectors)
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
