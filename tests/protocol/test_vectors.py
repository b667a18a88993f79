"""docs/vectors/protocol.json: what the code makes, and what the document's formulas make."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from spake2 import SPAKE2_A, SPAKE2_B

from q2d2_stream.protocol import Mute, Reason, ReceiverReport, Text
from q2d2_stream.protocol.hello import Auth, Bye, Reject
from q2d2_stream.protocol.messages import Echo, PathAnswer, PathProbe, Ping, Pong, decode, encode
from tests.labs.paths import ROOT
from tests.labs.protocol_vectors import FILE, make

DOCUMENT = ROOT / "docs" / "reference" / "protocol.md"
BLOCK = re.compile(r"^```vector\n(.+?)\n---\n([0-9a-f\s]+?)\n```$", re.MULTILINE | re.DOTALL)
NAMES = {
    cls.__name__: cls
    for cls in (
        Auth, Bye, Echo, Mute, PathAnswer, PathProbe, Ping, Pong, ReceiverReport, Reject, Text,
    )
}  # fmt: skip
VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
HANDSHAKES = ("spake2", "spake2, resumed over TLS", "x25519")


def _first(data: bytes, size: int) -> bytes:
    return data[:size]


def hkdf_expand(root: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869, 2.3."""
    out, block, number = b"", b"", 1
    while len(out) < size:
        block = hmac.digest(root, block + info + bytes([number]), "sha256")
        out, number = out + block, number + 1
    return out[:size]


def key(handshake: dict[str, Any], name: str, size: int = 16) -> bytes:
    """As docs/reference/protocol.md says it."""
    transcript = hashlib.sha256(b"q2d2-stream 2 transcript")
    for part in ("client_hello", "server_hello", "channel"):
        data = bytes.fromhex(handshake[part])
        transcript.update(len(data).to_bytes(4, "big") + data)
    assert transcript.hexdigest() == handshake["transcript"]
    secret = bytes.fromhex(handshake["shared"] + handshake["resumption_secret"])
    root = hmac.digest(transcript.digest(), secret, "sha256")
    return hkdf_expand(root, b"q2d2-stream 2 " + name.encode(), size)


def test_the_vectors_are_what_the_code_makes() -> None:
    assert make() == VECTORS, "run python -m tests.labs.protocol_vectors"


def test_the_shares_are_of_the_package_spake2() -> None:
    handshake = VECTORS["spake2"]
    sides = [
        kind(
            bytes.fromhex(VECTORS["password"]),
            idA=b"q2d2-stream client",
            idB=b"q2d2-stream server",
            entropy_f=partial(_first, bytes.fromhex(handshake[entropy])),
        )
        for kind, entropy in ((SPAKE2_A, "client_entropy"), (SPAKE2_B, "server_entropy"))
    ]
    shares = [side.start() for side in sides]
    assert [share.hex() for share in shares] == [
        handshake["client_share"],
        handshake["server_share"],
    ]
    assert sides[0].finish(shares[1]).hex() == handshake["shared"]


@pytest.mark.parametrize("name", HANDSHAKES)
def test_the_formulas_of_the_document_give_the_keys(name: str) -> None:
    handshake = VECTORS[name]
    for who in ("client", "server"):
        mac = key(handshake, f"{who} confirmation")
        assert "02" + mac.hex() == handshake[f"{who}_auth"]
        for stream in ("audio", "control"):
            assert key(handshake, f"{who} {stream}").hex() == handshake["keys"][f"{who} {stream}"]
    assert key(handshake, "resumption", 32).hex() == handshake["keys"]["resumption"]
    assert key(handshake, "path", 8).hex() == handshake["keys"]["path"]


@pytest.mark.parametrize("name", HANDSHAKES)
def test_the_formulas_of_the_document_open_the_messages(name: str) -> None:
    handshake = VECTORS[name]
    for sent in handshake["sent_by_client"]:
        is_audio = sent["stream"] == "audio"
        message, counter = bytes.fromhex(sent["message"]), sent["counter"]
        suite, tag_bytes, mark = (3, 4, 0b10) if is_audio else (2, 8, 0b11)
        assert int.from_bytes(message[:2], "big") == mark << 14 | counter % 2**14
        base = bytes.fromhex(handshake["keys"][f"client {sent['stream']}"])
        secret = hmac.digest(b"", base, "sha256")
        context = bytes(8) + suite.to_bytes(2, "big")
        keys = hkdf_expand(secret, b"SFrame 1.0 Secret key " + context, 48)
        salt = hkdf_expand(secret, b"SFrame 1.0 Secret salt " + context, 12)
        nonce = (int.from_bytes(salt, "big") ^ counter).to_bytes(12, "big")
        ciphertext, tag = message[2:-tag_bytes], message[-tag_bytes:]
        lengths = [2, len(ciphertext), tag_bytes]
        covered = b"".join(size.to_bytes(8, "big") for size in lengths)
        covered += nonce + message[:2] + ciphertext
        assert hmac.digest(keys[16:], covered, "sha256")[:tag_bytes] == tag
        stream = Cipher(algorithms.AES(keys[:16]), modes.CTR(nonce + bytes(4))).decryptor()
        assert stream.update(ciphertext).hex() == sent["body"]


def test_the_blocks_of_the_document_are_what_the_code_makes() -> None:
    names = {**NAMES, "Reason": Reason}
    seen = set()
    for expression, hexadecimal in BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")):
        message = eval(expression, {"__builtins__": {}, "bytes": bytes}, names)
        data = bytes.fromhex(hexadecimal)
        assert encode(message) == data
        assert encode(decode(data)) == data  # type: ignore[arg-type]
        seen.add(type(message))
    assert seen == set(NAMES.values())
