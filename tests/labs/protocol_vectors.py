"""Vectors of protocol 2, every step of a handshake and of what follows, with random numbers fixed.

python -m tests.labs.protocol_vectors     writes docs/vectors/protocol.json
"""

from __future__ import annotations

import json
from typing import Any

from q2d2_stream.protocol import Role, Secret
from q2d2_stream.protocol.hello import Auth, Hello, ModelOffer
from q2d2_stream.protocol.key_exchange import KeyExchange, Spake2Exchange, X25519Exchange
from q2d2_stream.protocol.key_schedule import KeySchedule, transcript_hash
from q2d2_stream.protocol.kinds import Capability
from q2d2_stream.protocol.messages import Mute, Text, encode
from q2d2_stream.protocol.sealing import Sealing
from tests.labs.paths import ROOT

__all__ = ["FILE", "make"]

FILE = ROOT / "docs" / "vectors" / "protocol.json"
SECRET = "7-guitar-orbit-velvet"
OFFER = ModelOffer("q2d2-24k-1", bytes(range(1, 9)), (0, 1, 2, 3), tables=0x1A2B3C4D)
CALL_ID = bytes(range(0x20, 0x30))
CHANNEL = bytes(range(0x80, 0x8C))
# The packed frames (1, 2, 3), (144, 84, 84), (0, 0, 0) of docs/vectors/packets.json.
PACKET = bytes.fromhex("021a621e89ff000000")


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


def _exchange(client: KeyExchange, server: KeyExchange) -> dict[str, str]:
    client_share, server_share = client.share, server.share
    shared = client.finish(server_share)
    assert server.finish(client_share) == shared
    return {
        "client_share": client_share.hex(),
        "server_share": server_share.hex(),
        "shared": shared.hex(),
    }


def _hello(role: Role, exchange: KeyExchange, capabilities: Capability) -> bytes:
    return encode(
        Hello(
            role=role,
            method=exchange.method,
            share=exchange.share,
            models=(OFFER,),
            frames_per_message=3,
            call_id=CALL_ID,
            nonce=bytes([0x40 + 0x10 * role]) * 16,
            sequence=5 if role is Role.CLIENT else 4_294_967_294,
            capabilities=capabilities,
        )
    )


def _handshake(
    client: KeyExchange,
    server: KeyExchange,
    *,
    capabilities: Capability = Capability(0),  # noqa: B008 (a constant)
    channel: bytes = b"",
    resumption: bytes = b"",
) -> dict[str, Any]:
    hellos = _hello(Role.CLIENT, client, capabilities), _hello(Role.SERVER, server, capabilities)
    exchange = _exchange(client, server)
    transcript = transcript_hash(*hellos, channel)
    keys = KeySchedule(bytes.fromhex(exchange["shared"]), transcript, resumption)
    directions = {role: keys.direction(role) for role in Role}
    sealing = Sealing(
        directions[Role.CLIENT],
        directions[Role.SERVER],
        send_sequence=5,
        receive_sequence=4_294_967_294,
    )
    audio = bytes([8]) + (150).to_bytes(4, "little") + PACKET
    sealed = [
        ("control", 0, encode(Mute(True)), sealing.seal_control(encode(Mute(True)))),
        ("control", 1, encode(Text("hi")), sealing.seal_control(encode(Text("hi")))),
        ("audio", 2**32 + 5, audio, sealing.seal_audio(5, audio)),
        ("audio", 2**32 + 16_390, b"\x02" + PACKET, sealing.seal_audio(16_390, b"\x02" + PACKET)),
    ]
    return {
        **exchange,
        "channel": channel.hex(),
        "resumption_secret": resumption.hex(),
        "client_hello": hellos[0].hex(),
        "server_hello": hellos[1].hex(),
        "transcript": transcript.hex(),
        "client_auth": encode(Auth(keys.confirmation(Role.CLIENT))).hex(),
        "server_auth": encode(Auth(keys.confirmation(Role.SERVER))).hex(),
        "keys": {
            f"{role.name.lower()} {name}": getattr(directions[role], name).hex()
            for role in Role
            for name in ("audio", "control")
        }
        | {"resumption": keys.resumption().hex(), "path": keys.path_token().hex()},
        "sent_by_client": [
            {"stream": stream, "counter": counter, "body": body.hex(), "message": message.hex()}
            for stream, counter, body, message in sealed
        ],
    }


def make() -> dict[str, Any]:
    """All vectors."""
    entropy = _Entropy(1), _Entropy(101)
    secret = Secret(SECRET)
    spake2 = (
        Spake2Exchange(secret, Role.CLIENT, entropy[0]),
        Spake2Exchange(secret, Role.SERVER, entropy[1]),
    )
    with_secret = _handshake(*spake2)
    bound = _handshake(
        Spake2Exchange(secret, Role.CLIENT, _Entropy(7)),
        Spake2Exchange(secret, Role.SERVER, _Entropy(9)),
        capabilities=Capability.CHANNEL | Capability.RESUMES | Capability.DTX,
        channel=CHANNEL,
        resumption=bytes.fromhex(with_secret["keys"]["resumption"]),
    )
    private = bytes(range(32)), bytes(range(32, 64))
    return {
        "about": "protocol 2 of q2d2-stream, docs/reference/protocol.md; all bytes in hexadecimal",
        "secret": SECRET,
        "password": secret.password.hex(),
        "spake2": {
            "client_entropy": entropy[0].given.hex(),
            "server_entropy": entropy[1].given.hex(),
            **with_secret,
        },
        "spake2, resumed over TLS": bound,
        "x25519": {
            "client_private": private[0].hex(),
            "server_private": private[1].hex(),
            **_handshake(X25519Exchange(private[0]), X25519Exchange(private[1])),
        },
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(make(), indent=1) + "\n", encoding="utf-8")
