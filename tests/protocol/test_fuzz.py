"""Ten thousand messages before the handshake, and ten thousand after it: no error, no growth."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from q2d2_stream.protocol import CallRegistry, Limits, Role, Session, State
from q2d2_stream.protocol.kinds import Kind
from q2d2_stream.protocol.messages import Ping, Text, encode
from tests.labs.attackers import nasty
from tests.labs.protocol import SECRET, Peers, endpoint, frames_of

MESSAGES = 10_000
MIB = 1 << 20


def changed(dice: random.Random, data: bytes) -> bytes:
    """A message with some bytes flipped, cut out or put in."""
    out = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(out)) if out else 0
        what = dice.randrange(3)
        if what == 0 or not out:
            out.insert(at, dice.randrange(256))
        elif what == 1:
            out[at] ^= 1 << dice.randrange(8)
        else:
            del out[at]
    return bytes(out)


@pytest.mark.parametrize("secret", [None, pytest.param(SECRET, marks=pytest.mark.slow)])
def test_strangers(secret: str | None) -> None:
    dice = random.Random(7)
    own, registry = endpoint(secret), CallRegistry()
    hello = Peers(endpoint(secret and "another secret"), own).client.data_to_send()[0]
    tracemalloc.start()
    sent = 0
    while sent < MESSAGES:
        session = Session(own, Role.SERVER, 0.0, registry=registry)
        # Every thirtieth begins as it should: a real hello makes the server's share, which is slow.
        first = [hello] if not sent % 1800 else [changed(dice, hello)]
        for data in [*first, *(nasty(dice.randrange(1 << 30)) for _ in range(59))]:
            session.receive_data(data, sent / 100)
            sent += 1
        assert session.state is not State.ESTABLISHED
        assert len(session.data_to_send()) <= 3
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(registry) == 0
    assert peak < 2 * MIB


@pytest.mark.slow
def test_a_peer_with_the_secret() -> None:
    """Bodies are sealed as they must be: what is odd is what is in them."""
    dice = random.Random(8)
    limits = Limits(malformed_per_s=1e6, malformed_burst=1e6)
    peers = Peers(endpoint(SECRET), endpoint(SECRET), limits=limits)
    peers.settle()
    sealing = peers.seals
    good = [encode(Text("hello")), encode(Ping(1)), b"\x08" + bytes(4) + b"\x00" + bytes(3)]
    tracemalloc.start()
    for number in range(MESSAGES):
        body = changed(dice, dice.choice(good))
        if number % 3 == 0:
            body = bytes([dice.choice(list(Kind))]) + dice.randbytes(dice.randrange(60))
        is_audio = number % 2
        sealed = sealing.seal_audio(3 * number, body) if is_audio else sealing.seal_control(body)
        peers.server.receive_data(sealed, number / 50)
        peers.server.data_to_send()
        if peers.server.state is State.CLOSED:  # a bye among them
            peers = Peers(endpoint(SECRET), endpoint(SECRET), limits=limits)
            peers.settle()
            sealing = peers.seals
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * MIB
    peers.now = MESSAGES / 50
    assert peers.client.send_audio(frames_of(40_000), 0.0) or peers.client.state is State.CLOSED
