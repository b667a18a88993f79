"""A whole call is recorded on its way: nothing in it can be read, replayed or changed."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.errors import SealError
from q2d2_stream.frames import AudioFrames
from q2d2_stream.packing import pack
from q2d2_stream.protocol import (
    Call,
    CallRegistry,
    Closed,
    Endpoint,
    Event,
    Mute,
    Reason,
    ReceiverReport,
    Role,
    Session,
    State,
    Text,
)
from q2d2_stream.protocol.hello import Hello
from q2d2_stream.protocol.messages import decode, encode
from q2d2_stream.protocol.sealing import is_sealed
from tests.labs.examples import examples
from tests.labs.protocol import CONFIG, SECRET, Peers, endpoint, frames_of

NOTE = "meet me at the old bridge at nine"
FRAMES = 900


@dataclass
class Recording:
    """What somebody on the path has."""

    peers: Peers
    to_server: list[bytes] = field(default_factory=list)
    to_client: list[bytes] = field(default_factory=list)

    @property
    def both(self) -> list[bytes]:
        return self.to_server + self.to_client

    @property
    def sealed(self) -> list[bytes]:
        return [data for data in self.both if is_sealed(data)]


def record(secret: str | None) -> Recording:
    """A call with speech both ways, notes, mutes and reports, to its end."""
    peers = Peers(endpoint(secret), endpoint(secret))
    recording = Recording(peers)

    def deliver() -> None:
        peers.collect()
        while peers.to_server or peers.to_client:
            recording.to_server += peers.to_server
            recording.to_client += peers.to_client
            for _ in range(len(peers.to_server)):
                peers.deliver(False)
            for _ in range(len(peers.to_client)):
                peers.deliver(True)

    deliver()
    for sequence in range(0, FRAMES, 3):
        peers.now += 0.04
        for session, seed in ((peers.client, sequence), (peers.server, sequence + 10_000)):
            assert session.send_audio(frames_of(sequence, seed=seed), 0.0)
            session.tick(peers.now)
        if sequence % 150 == 0:
            assert peers.client.send(Text(NOTE))
            assert peers.server.send(Mute(sequence % 300 == 0))
            assert peers.client.send(ReceiverReport(1, 2, 3, 0.25, 1.5, 80.0, -12.5))
        deliver()
    peers.client.close(peers.now)
    deliver()
    return recording


@pytest.fixture(scope="module", params=[None, SECRET], ids=["no-auth", "secret"])
def recording(request: pytest.FixtureRequest) -> Recording:
    return record(request.param)


def test_the_call_itself_went_well(recording: Recording) -> None:
    peers = recording.peers
    for events, session in (
        (peers.server_events, peers.server),
        (peers.client_events, peers.client),
    ):
        heard = [event for event in events if isinstance(event, AudioFrames)]
        assert len(heard) == FRAMES // 3
        counters = session.counters
        assert counters.forged == counters.replayed == counters.malformed == 0
    assert sum(event == Text(NOTE) for event in peers.server_events) == 6


def test_nothing_in_it_can_be_read(recording: Recording) -> None:
    traffic = b"".join(recording.both)
    assert NOTE.encode() not in traffic
    for sequence in range(0, FRAMES, 3):
        for seed in (sequence, sequence + 10_000):
            indices = frames_of(sequence, seed=seed).indices
            assert pack(indices, CONFIG) not in traffic
            assert indices.tobytes() not in traffic
    # Nor is there any structure to see: no body comes twice, and none can be packed.
    bodies = [data[2:] for data in recording.sealed]
    assert len(set(bodies)) == len(bodies)
    together = b"".join(bodies)
    assert len(zlib.compress(together, 9)) >= len(together)
    # All audio of a rate has one length, but for messages that tell the time or carry a rider.
    assert len({len(data) for data in recording.sealed if data[0] >> 6 == 0b10}) <= 4


def test_nothing_in_it_can_be_replayed_or_reflected(recording: Recording) -> None:
    peers = recording.peers
    client, server = peers.client._open.sealing, peers.server._open.sealing
    replayed = reflected = 0
    for data in recording.to_server:
        if is_sealed(data):
            with pytest.raises(SealError) as again:
                server.open(data)
            replayed += again.value.is_replay
            with pytest.raises(SealError):
                client.open(data)
    for data in recording.to_client:
        if is_sealed(data):
            with pytest.raises(SealError):
                client.open(data)
            with pytest.raises(SealError):
                server.open(data)
            reflected += 1
    assert replayed > FRAMES // 3
    assert reflected > FRAMES // 3


def test_nothing_in_it_opens_in_another_call_of_the_same_two(recording: Recording) -> None:
    secret = SECRET if recording.peers.client.established.authenticated else None  # type: ignore[union-attr]
    again = Peers(endpoint(secret), endpoint(secret))
    again.settle()
    for data in recording.sealed:
        again.server.receive_data(data, 1.0)
        again.client.receive_data(data, 1.0)
    for session in (again.client, again.server):
        assert session.state is State.ESTABLISHED
        assert session.counters.received_frames == 0
        assert session.counters.forged + session.counters.rate_limited >= len(recording.sealed)


def test_the_same_call_on_another_connection_has_other_keys() -> None:
    for secret in (None, SECRET):
        first = Peers(endpoint(secret), endpoint(secret))
        first.settle()
        assert first.client.send_audio(frames_of(0), 0.0)
        first.collect()
        (old,) = first.to_server
        first.settle()
        for session in (first.client, first.server):
            session.connection_lost(1.0)
        second = Peers(
            endpoint(secret), endpoint(secret), call=first.call, registry=first.registry, now=2.0
        )
        second.settle()
        assert second.server.state is State.ESTABLISHED
        assert second.client.send_audio(frames_of(0), 0.0)
        second.collect()
        assert second.to_server[-1][2:] != old[2:]
        assert second.server.receive_data(old, 2.0) == []
        assert second.server.counters.forged == 1


@examples(60)
@given(st.integers(0, 2**32), st.sampled_from(["flip", "cut", "longer", "swap"]))
def test_a_changed_message_is_dropped_and_counted_and_the_call_goes_on(seed: int, how: str) -> None:
    dice = random.Random(seed)
    peers = Peers(endpoint(SECRET), endpoint(SECRET))
    peers.settle()
    peers.server_events.clear()
    for sequence in (0, 3):
        peers.client.send_audio(frames_of(sequence), 0.0)
    peers.client.send(Text(NOTE))
    peers.collect()
    messages = list(peers.to_server)
    peers.to_server.clear()
    at = dice.randrange(len(messages))
    data = bytearray(messages[at])
    if how == "flip":
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    elif how == "cut":
        del data[dice.randrange(len(data)) :]
    elif how == "longer":
        data += dice.randbytes(dice.randint(1, 9))
    else:
        other = messages[(at + 1) % len(messages)]
        data[:2] = other[:2]
    changed = [bytes(data) if number == at else one for number, one in enumerate(messages)]
    for one in changed:
        peers.server_events += peers.server.receive_data(one, 1.0)
    assert len(peers.server_events) == len(messages) - 1
    assert peers.server.counters.forged + peers.server.counters.replayed == 1
    assert peers.server.state is State.ESTABLISHED


# The handshake


Change: TypeAlias = Callable[[bytes], bytes]


def handshake_with(
    change_client: Change, change_server: Change, secret: str | None, own: Endpoint | None = None
) -> tuple[list[Event], list[Event]]:
    """A handshake with somebody in between who changes the hellos; how it ended on both sides."""
    server = Session(own or endpoint(secret), Role.SERVER, 0.0, registry=CallRegistry())
    client = Session(own or endpoint(secret), Role.CLIENT, 0.0, call=Call())
    ends: tuple[list[Event], list[Event]] = ([], [])
    for _ in range(4):
        for data in client.data_to_send():
            ends[1].extend(server.receive_data(change_client(data), 0.0))
        for data in server.data_to_send():
            ends[0].extend(client.receive_data(change_server(data), 0.0))
    return ends


@examples(150)
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([None, SECRET]))
def test_no_bit_of_a_handshake_can_be_changed(
    seed: int, of_client: bool, secret: str | None
) -> None:
    dice = random.Random(seed)

    def change(data: bytes) -> bytes:
        if is_sealed(data):
            return data
        at = dice.randrange(8 * len(data))
        return data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]

    def leave(data: bytes) -> bytes:
        return data

    up, down = (change, leave) if of_client else (leave, change)
    for events in handshake_with(up, down, secret):
        assert not any(not isinstance(event, Closed) for event in events)


def test_a_model_a_rate_and_a_capability_cannot_be_taken_away() -> None:
    own = endpoint(SECRET, dtx=True)

    def poorer(data: bytes) -> bytes:
        message = decode(data) if not is_sealed(data) else None
        if not isinstance(message, Hello):
            return data
        offer = message.models[0]
        return encode(
            replace(
                message,
                capabilities=type(message.capabilities)(0),
                models=(replace(offer, rates=offer.rates[:1]),),
            )
        )

    def same(data: bytes) -> bytes:
        return data

    for up, down in ((poorer, same), (same, poorer)):
        client, server = handshake_with(up, down, SECRET, own)
        assert any(isinstance(e, Closed) and e.reason is Reason.SECRET for e in server + client)


def test_the_tls_channel_is_bound_in() -> None:
    def meet(there: bytes, here: bytes) -> tuple[State, State]:
        server = Session(endpoint(SECRET), Role.SERVER, 0.0, registry=CallRegistry(), channel=there)
        client = Session(endpoint(SECRET), Role.CLIENT, 0.0, call=Call(), channel=here)
        for _ in range(4):
            for data in client.data_to_send():
                server.receive_data(data, 0.0)
            for data in server.data_to_send():
                client.receive_data(data, 0.0)
        return client.state, server.state

    done = (State.ESTABLISHED, State.ESTABLISHED)
    assert meet(b"finished", b"finished") == done
    assert meet(b"finished", b"of another connection") == (State.CLOSED, State.CLOSED)
    assert meet(b"", b"finished") == done  # a proxy ends TLS, or a browser cannot tell
