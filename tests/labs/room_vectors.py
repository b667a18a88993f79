"""Vectors of rooms: the keys of a link, a code that leads to it, and datagrams, with random numbers
fixed.

python -m tests.labs.room_vectors     writes docs/vectors/rooms.json
"""

from __future__ import annotations

import json
from typing import Any

from q2d2_stream.protocol import Role
from q2d2_stream.protocol.sealing import Sealer
from q2d2_stream.rooms import RoomCode, RoomKeys, RoomLink
from q2d2_stream.rooms.code_keys import CodeExchange
from q2d2_stream.rooms.code_messages import CodeAnswer, CodeAsk, CodeConfirm, CodeGrant, CodeGuess
from q2d2_stream.rooms.datagrams import (
    DatagramKind,
    DatagramOpener,
    DatagramSealer,
    EchoBody,
    PathBody,
)
from q2d2_stream.rooms.intro import INTRO_KIND, Intro
from q2d2_stream.rooms.keys import member_id
from q2d2_stream.rooms.messages import Challenge, Join, RoomKind, Sent, encode
from q2d2_stream.rooms.path_messages import Lossy, PathAsk, PathOffer
from q2d2_stream.rooms.recording import RECORDING_KIND, Recording
from tests.labs.paths import ROOT
from tests.labs.protocol_vectors import OFFER, PACKET

__all__ = ["FILE", "make"]

FILE = ROOT / "docs" / "vectors" / "rooms.json"
LINK = RoomLink(bytes(range(0x10, 0x20)), ("https://relay.example", "https://other.example"))
NONCE = bytes(range(0xA0, 0xB0))
CHALLENGE = bytes(range(0x40, 0x60))
CODE = RoomCode(7, ("guitar", "orbit"), "https://relay.example")
NUMBER = 77_000  # of the first frame
OFFER_OF_PATH = PathOffer(
    443, bytes(range(0xB0, 0xB8)), bytes(range(0xC0, 0xD0)), bytes(range(0xD0, 0xE0))
)
COUNTER = 70_000  # of the first datagram: more than travels of it


class _Entropy:
    """Bytes that count, and what was asked for."""

    def __init__(self, first: int) -> None:
        self._next = first
        self.given = b""

    def __call__(self, size: int) -> bytes:
        data = bytes((self._next + n) % 256 for n in range(size))
        self._next += size
        self.given += data
        return data


def _room() -> dict[str, str]:
    keys = RoomKeys(LINK.secret)
    member = keys.member_keys(NONCE)
    signature = keys.sign_admission(CHALLENGE, NONCE)
    sealer = Sealer(member, NUMBER)
    intro = bytes([INTRO_KIND]) + Intro("Ann", (OFFER,), NUMBER).to_body()
    recording = bytes([RECORDING_KIND]) + Recording(True).to_body()
    audio = bytes([0]) + PACKET
    controls = [Sent.control(sealer.next_control, sealer.seal_control(body)).to_relay()
                for body in (intro, recording)]  # fmt: skip
    return {
        "link": str(LINK),
        "secret": LINK.secret.hex(),
        "public_key": keys.public_key.hex(),
        "room_id": keys.room_id.hex(),
        "fingerprint": keys.fingerprint,
        "nonce": NONCE.hex(),
        "member": f"{member_id(NONCE):08x}",
        "audio_key": member.audio.hex(),
        "control_key": member.control.hex(),
        "challenge_message": encode(Challenge(CHALLENGE)).hex(),
        "join_message": encode(Join(keys.room_id, keys.public_key, signature, NONCE)).hex(),
        "intro_body": intro.hex(),
        "intro_message": controls[0].hex(),
        "recording_body": recording.hex(),
        "recording_message": controls[1].hex(),
        "audio_sequence": str(NUMBER),
        "audio_body": audio.hex(),
        "audio_sealed": sealer.seal_audio(NUMBER, audio).hex(),
    }


def _code() -> dict[str, str]:
    entropy = {role: _Entropy(first) for role, first in ((Role.CLIENT, 0), (Role.SERVER, 128))}
    joiner = CodeExchange(CODE, Role.CLIENT, entropy[Role.CLIENT])
    member = CodeExchange(CODE, Role.SERVER, entropy[Role.SERVER])
    shared = joiner.finish(member.share)
    keys = member.keys(joiner.share)
    sealed = keys.seal_link(str(LINK))
    return {
        "code": str(CODE),
        "password": CODE.password,
        "joiner_entropy": entropy[Role.CLIENT].given.hex(),
        "member_entropy": entropy[Role.SERVER].given.hex(),
        "shared": shared.hex(),
        "ask_message": encode(CodeAsk(CODE.number, joiner.share)).hex(),
        "guess_message": encode(CodeGuess(1, joiner.share)).hex(),
        "answer_message": encode(CodeAnswer(1, member.share)).hex(),
        "confirm_message": encode(CodeConfirm(1, keys.confirmation)).hex(),
        "grant_message": encode(CodeGrant(1, sealed)).hex(),
        "link": str(LINK),
    }


def _path() -> dict[str, str]:
    """The member asks, talks and echoes; the relay answers and forwards."""
    offer = OFFER_OF_PATH
    member, relay = DatagramSealer(offer.member_key), DatagramSealer(offer.relay_key)
    member.next_counter = relay.next_counter = COUNTER
    sealed = bytes.fromhex(_room()["audio_sealed"])
    sent = Sent(RoomKind.VOICE, sealed)
    opener = DatagramOpener(offer.member_key)
    opener._window.add(COUNTER - 1)
    asked = member.seal(DatagramKind.PATH, PathBody(0x01020304, 0, EchoBody(0, 0)).to_bytes())
    talked = member.seal_message(sent.to_relay())
    assert opener.open(asked).counter == COUNTER
    assert opener.open(talked).message == sent.to_relay()
    return {
        "ask_message": encode(PathAsk()).hex(),
        "offer_message": encode(offer).hex(),
        "no_offer_message": encode(PathOffer()).hex(),
        "lossy_message": encode(Lossy(12)).hex(),
        "token": offer.token.hex(),
        "member_key": offer.member_key.hex(),
        "relay_key": offer.relay_key.hex(),
        "counter": str(COUNTER),
        "asked": (b"\0" + offer.token + asked).hex(),
        "answered": relay.seal(
            DatagramKind.PATH, PathBody(5, 0x01020304, EchoBody(COUNTER, 1)).to_bytes()
        ).hex(),
        "talked": talked.hex(),
        "echoed": relay.seal(DatagramKind.ECHO, EchoBody(COUNTER + 1, 2).to_bytes()).hex(),
        "forwarded": relay.seal_message(sent.forwarded(member_id(NONCE))).hex(),
    }


def make() -> dict[str, Any]:
    """All vectors."""
    return {"room": _room(), "code": _code(), "path": _path()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(make(), indent=2) + "\n", encoding="utf-8")
