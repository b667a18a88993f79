"""docs/vectors/rooms.json: what the code makes, and what the document's formulas make."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from spake2 import SPAKE2_A, SPAKE2_B

from tests.labs.room_vectors import FILE, make

VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
ROOM = VECTORS["room"]
CODE = VECTORS["code"]
PATH = VECTORS["path"]
LABEL = b"q2d2-stream room 1 "


def of(values: dict[str, str], name: str) -> bytes:
    return bytes.fromhex(values[name])


def hkdf(secret: bytes, name: bytes, size: int) -> bytes:
    return HKDF(SHA256(), size, salt=None, info=LABEL + name).derive(secret)


def test_the_file_is_what_the_code_makes() -> None:
    assert make() == VECTORS


def test_the_keys_are_as_documented() -> None:
    secret, nonce = of(ROOM, "secret"), of(ROOM, "nonce")
    private = Ed25519PrivateKey.from_private_bytes(hkdf(secret, b"admission", 32))
    public = private.public_key().public_bytes_raw()
    assert public == of(ROOM, "public_key")
    room_id = hashlib.sha256(LABEL + b"id" + public).digest()[:16]
    assert room_id == of(ROOM, "room_id")
    media = hkdf(secret, b"media", 32)
    assert hkdf(media, b"member audio " + nonce, 16) == of(ROOM, "audio_key")
    assert hkdf(media, b"member control " + nonce, 16) == of(ROOM, "control_key")
    number = int.from_bytes(hkdf(secret, b"fingerprint", 8), "big") % 10**8
    assert f"{number:08d}" == ROOM["fingerprint"].replace(" ", "")
    assert nonce[:4] == of(ROOM, "member")
    challenge, join = of(ROOM, "challenge_message"), of(ROOM, "join_message")
    assert challenge[:6] == b"\x20Q2RM\x01"
    assert join == b"\x21Q2RM\x01" + room_id + public + join[54:118] + nonce
    signed = LABEL + b"join" + challenge[6:] + room_id + nonce
    Ed25519PublicKey.from_public_bytes(public).verify(join[54:118], signed)


def test_the_code_is_as_documented() -> None:
    """Both sides, by the package spake2 and HKDF alone."""
    keys = []
    ask, answer = of(CODE, "ask_message"), of(CODE, "answer_message")
    assert ask == b"\x2dQ2RM\x01" + (7).to_bytes(2, "little") + ask[8:]
    shares = ask[8:], answer[5:]
    for side, name, own, other in (
        (SPAKE2_A, "joiner", 0, 1), (SPAKE2_B, "member", 1, 0),
    ):  # fmt: skip
        entropy = of(CODE, f"{name}_entropy")
        exchange = side(
            CODE["password"].encode(), idA=b"q2d2-stream room joiner",
            idB=b"q2d2-stream room member", entropy_f=lambda size, data=entropy: data[:size],
        )  # fmt: skip
        assert exchange.start() == shares[own]
        keys.append(exchange.finish(shares[other]))
    assert keys == [of(CODE, "shared")] * 2
    assert of(CODE, "confirm_message")[5:] == hkdf(keys[0], b"code confirmation", 16)
    key = AESGCM(hkdf(keys[0], b"code grant", 16))
    assert key.decrypt(bytes(12), of(CODE, "grant_message")[5:], None).decode() == ROOM["link"]


def test_the_datagrams_are_as_documented() -> None:
    """Layout and tags, by hashlib alone."""
    token, number = of(PATH, "token"), bytes.fromhex(ROOM["member"])[::-1]
    keys = of(PATH, "member_key"), of(PATH, "relay_key")
    assert of(PATH, "ask_message") == b"\x39"
    assert of(PATH, "offer_message") == b"\x3a" + (443).to_bytes(2, "little") + token + b"".join(
        keys
    )
    assert of(PATH, "no_offer_message") == b"\x3a\0\0"
    assert of(PATH, "lossy_message") == b"\x3b\x0c"
    first = int(PATH["counter"])
    question = (0x01020304).to_bytes(4, "little")
    sealed = of(ROOM, "audio_sealed")
    for name, key, kind, counter, front, body, size in (
        ("asked", 0, 0, first, b"\0" + token, question + bytes(8), 8),
        ("answered", 1, 0, first, b"", (5).to_bytes(4, "little") + question
         + (first % 2**14).to_bytes(2, "little") + b"\1\0", 8),
        ("talked", 0, 3, first + 1, b"", sealed, 4),
        ("echoed", 1, 1, first + 1, b"",
         ((first + 1) % 2**14).to_bytes(2, "little") + (2).to_bytes(2, "little"), 4),
        ("forwarded", 1, 3, first + 2, b"", number + sealed, 4),
    ):  # fmt: skip
        data = (kind << 14 | counter % 2**14).to_bytes(2, "big") + body
        covered = counter.to_bytes(8, "little") + data
        tag = hashlib.blake2s(covered, key=keys[key], digest_size=size).digest()
        assert of(PATH, name) == front + data + tag, name
