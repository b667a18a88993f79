"""The protocol state machine: handshakes, refusals, resuming, limits, hostile peers."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from q2d2_stream.entropy import IndexCoder
from q2d2_stream.errors import InputError
from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import (
    Call,
    CallRegistry,
    Closed,
    Established,
    Limits,
    Mute,
    Reason,
    ReceiverReport,
    Role,
    Secret,
    Session,
    State,
    Text,
)
from q2d2_stream.protocol.audio import frames_to_message
from q2d2_stream.protocol.hello import Bye, Hello, Proof, Refuse
from q2d2_stream.protocol.kinds import Capability, Kind
from q2d2_stream.protocol.messages import Audio, AudioCoded, Ping, Pong, decode, encode
from tests.labs.entropy import coder as fitted_coder
from tests.labs.entropy import random_tables, smooth_indices
from tests.labs.protocol import CONFIG, HASH, SECRET, Peers, endpoint, frames_of


def established(**arguments: object) -> Peers:
    peers = Peers(**arguments)  # type: ignore[arg-type]
    peers.settle()
    assert peers.client.state is State.ESTABLISHED
    assert peers.server.state is State.ESTABLISHED
    return peers


def closed(events: list[object]) -> Closed:
    (event,) = (e for e in events if isinstance(e, Closed))
    return event


@pytest.mark.parametrize("secret", [None, SECRET])
def test_handshake_agrees_on_rates_and_frames(secret: str | None) -> None:
    peers = established(
        client=endpoint(secret, rates=(0, 1), frames_per_message=2),
        server=endpoint(secret, rates=(1, 2), frames_per_message=4, dtx=True),
    )
    for events in (peers.client_events, peers.server_events):
        (event,) = events
        assert isinstance(event, Established)
        assert event.rates == (1,)
        assert event.frames_per_message == 4
        assert not event.resumed
    assert isinstance(peers.client_events[0], Established)
    assert peers.client_events[0].peer.capabilities & Capability.DTX


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=40)
def test_an_adversarial_schedule_loses_and_reorders_nothing(seed: int, secret: bool) -> None:
    order = random.Random(seed)
    end = endpoint(SECRET if secret else None)
    peers = Peers(end, end)
    sequences = {True: 0, False: 0}
    for _ in range(200):
        peers.now += order.random() * 0.3
        to_client = order.random() < 0.5
        session = peers.server if to_client else peers.client
        step = order.random()
        if step < 0.4:
            peers.deliver(to_client)
        elif step < 0.8:
            frames = order.randint(1, 8)
            message = frames_of(sequences[to_client], frames, order.randint(0, 2))
            if session.send_audio(message):
                sequences[to_client] += frames
        elif step < 0.9:
            session.send(order.choice([Mute(True), Text("hi"), ReceiverReport(*[0] * 7)]))
        else:
            for end_session in (peers.client, peers.server):
                end_session.tick(peers.now)
        if peers.client.deadline is None or peers.server.deadline is None:
            return  # the schedule was so slow that the handshake timed out
    peers.settle(order)
    for to_client, events in ((True, peers.client_events), (False, peers.server_events)):
        if sequences[to_client] == 0:
            continue
        received = [e for e in events if isinstance(e, AudioFrames)]
        expected = 0
        for event in received:
            assert event.sequence == expected
            sent = frames_of(
                expected, len(event.indices), CONFIG.rate_of_pairs(event.indices.shape[1])
            )
            np.testing.assert_array_equal(event.indices, sent.indices)
            expected += len(event.indices)
        assert expected == sequences[to_client]
    for session in (peers.client, peers.server):
        assert session.counters.malformed == session.counters.duplicate == 0


def test_flags_rates_and_messages_arrive() -> None:
    peers = established()
    assert peers.client.send_audio(frames_of(0, 5, rate=2, start=True, end=True))
    assert peers.client.send_audio(frames_of(5, 1, dtx=True))
    report = ReceiverReport(1, 2, 3, 0.25, 1.5, 80.0, -12.5)
    for message in (Mute(True), Text("hello"), report):
        assert peers.client.send(message)
    peers.settle()
    _, first, second, *rest = peers.server_events
    assert isinstance(first, AudioFrames)
    assert isinstance(second, AudioFrames)
    assert (first.start, first.end, first.dtx) == (True, True, False)
    assert (second.start, second.end, second.dtx) == (False, False, True)
    assert rest == [Mute(True), Text("hello"), report]


@pytest.mark.parametrize(
    ("client", "server", "reason", "words"),
    [
        ({"model_id": "old"}, {}, Reason.MODEL, ["client", "old", "model-a", HASH.hex()]),
        ({"model_hash": bytes(8)}, {}, Reason.MODEL, [bytes(8).hex(), HASH.hex(), "install"]),
        (
            {"rates": (0,)},
            {"rates": (1, 2)},
            Reason.RATES,
            ["server supports rates 1, 2", "client 0", "allow"],
        ),
        ({"secret": SECRET}, {}, Reason.SECRET, ["client asks", "--secret"]),
        ({}, {"secret": SECRET}, Reason.SECRET, ["server asks", "--secret"]),
        (
            {"secret": "another secret"},
            {"secret": SECRET},
            Reason.SECRET,
            ["different secrets"],
        ),
    ],
)
def test_ends_that_do_not_fit_are_refused_in_a_sentence(
    client: dict[str, object], server: dict[str, object], reason: Reason, words: list[str]
) -> None:
    peers = Peers(endpoint(**client), endpoint(**server))  # type: ignore[arg-type]
    peers.settle()
    for events in (peers.client_events, peers.server_events):
        event = closed(list(events))
        assert event.reason is reason
        assert not event.may_retry
        for word in words:
            assert word in event.text
    assert not len(peers.registry)


def test_another_version_is_refused() -> None:
    server = Session(endpoint(), Role.SERVER, 0.0, registry=CallRegistry())
    event = closed(list(server.receive_data(b"\x01Q2D2\x02whatever else", 0.0)))
    assert event.reason is Reason.VERSION
    (refusal,) = server.data_to_send()
    assert isinstance(decode(refusal), Refuse)


def test_a_busy_line_says_so_and_the_call_goes_on() -> None:
    peers = established()
    second = Peers(registry=peers.registry)
    second.settle()
    event = closed(list(second.client_events))
    assert event.reason is Reason.BUSY
    assert event.may_retry
    assert peers.client.send_audio(frames_of(0))
    peers.settle()
    assert peers.server.counters.received_frames == 3


def test_strangers_learn_nothing_of_a_busy_line_and_occupy_nothing() -> None:
    secret = endpoint(SECRET)
    registry = CallRegistry()
    stranger = Peers(endpoint("another secret"), secret, registry=registry)
    stranger.settle()
    assert len(registry) == 0
    established(client=secret, server=secret, registry=registry)
    stranger = Peers(endpoint("another secret"), secret, registry=registry)
    stranger.settle()
    assert closed(list(stranger.client_events)).reason is Reason.SECRET


def test_a_reflected_hello_is_refused() -> None:
    client = Session(endpoint(SECRET), Role.CLIENT, 0.0, call=Call())
    (hello,) = client.data_to_send()
    assert closed(list(client.receive_data(hello, 0.0))).reason is Reason.PROTOCOL


def test_a_reflected_challenge_response_is_refused() -> None:
    # Mallory does not know the secret. She greets as a server with a hello of her own, gets the
    # client's proof, and sends it back as hers.
    call = Call()
    client = Session(endpoint(SECRET), Role.CLIENT, 0.0, call=call)
    client.data_to_send()
    hello = Hello(
        Role.SERVER, "model-a", HASH, (0, 1, 2), 3, call.call_id, bytes(16), 0, Capability.SECRET
    )
    assert client.receive_data(encode(hello), 0.0) == []
    (proof,) = client.data_to_send()
    assert isinstance(decode(proof), Proof)
    assert closed(list(client.receive_data(proof, 0.0))).reason is Reason.SECRET

    # As a client she gets no proof to send anywhere: a server proves only to who has proved.
    server = Session(endpoint(SECRET), Role.SERVER, 0.0, registry=CallRegistry())
    own = Hello(
        Role.CLIENT, "model-a", HASH, (0, 1, 2), 3, call.call_id, bytes(16), 0, Capability.SECRET
    )
    assert server.receive_data(encode(own), 0.0) == []
    (challenge,) = server.data_to_send()
    assert isinstance(decode(challenge), Hello)
    assert closed(list(server.receive_data(proof, 0.0))).reason is Reason.SECRET
    assert all(isinstance(decode(data), Refuse) for data in server.data_to_send())


def test_a_recorded_handshake_does_not_open_a_second_call() -> None:
    peers = Peers(endpoint(SECRET), endpoint(SECRET))
    recorded = []
    for _ in range(6):
        peers.collect()
        recorded += peers.to_server
        peers.deliver(False)
        peers.deliver(True)
    assert peers.server.state is State.ESTABLISHED
    again = Session(endpoint(SECRET), Role.SERVER, 0.0, registry=CallRegistry())
    events = [e for data in recorded for e in again.receive_data(data, 0.0)]
    assert closed(list(events)).reason is Reason.SECRET


def test_the_secret_shows_nowhere() -> None:
    end = endpoint(SECRET)
    assert SECRET not in repr(end) + repr(end.secret) + repr(
        Session(end, Role.CLIENT, 0, call=Call())
    )
    with pytest.raises(InputError, match="at least 8") as error:
        Secret("short")
    assert "short" not in str(error.value)


@pytest.mark.parametrize("kind", [k for k in Kind if k not in (Kind.HELLO, Kind.REFUSE, Kind.BYE)])
@pytest.mark.parametrize("secret", [None, SECRET])
def test_nothing_but_the_handshake_is_accepted_before_it_is_done(
    kind: Kind, secret: str | None
) -> None:
    server = Session(endpoint(secret), Role.SERVER, 0.0, registry=CallRegistry())
    message = {
        Kind.PROOF: Proof(bytes(32)),
        Kind.AUDIO: frames_to_message(frames_of(0), CONFIG),
        Kind.AUDIO_CODED: AudioCoded(0, 0, 0, 1, b""),
        Kind.PING: Ping(1),
        Kind.PONG: Pong(1),
        Kind.REPORT: ReceiverReport(*[0] * 7),
        Kind.MUTE: Mute(True),
        Kind.TEXT: Text("let me in"),
    }[kind]
    event = closed(list(server.receive_data(encode(message), 0.0)))
    assert event.reason is Reason.PROTOCOL
    assert kind.name.lower() in event.text
    assert not server.send_audio(frames_of(0))


def test_the_handshake_has_limits() -> None:
    def server() -> Session:
        return Session(endpoint(), Role.SERVER, 10.0, registry=CallRegistry())

    slow = server()
    assert slow.deadline == 15.0
    assert slow.tick(14.9) == []
    assert closed(list(slow.tick(15.0))).reason is Reason.TIMEOUT
    assert slow.deadline is None

    big = server()
    assert "bytes" in closed(list(big.receive_data(b"\x01" * 5000, 10.0))).text

    chatty = server()
    events = [e for _ in range(100) for e in chatty.receive_data(b"\xff", 10.0)]
    assert "more than 8" in closed(list(events)).text
    assert chatty.counters.unknown == 8


def test_unknown_kinds_are_ignored_and_the_handshake_goes_on() -> None:
    peers = Peers()
    peers.server.receive_data(b"\xfffrom the future", 0.0)
    peers.settle()
    assert peers.server.state is State.ESTABLISHED
    peers.server.receive_data(b"\xfffrom the future", 0.0)
    assert peers.server.state is State.ESTABLISHED
    assert peers.server.counters.unknown == 2


def test_duplicates_and_far_sequence_numbers_are_dropped_and_counted() -> None:
    peers = established()
    server = peers.server

    def receive(sequence: int) -> int:
        return len(server.receive_data(encode(frames_to_message(frames_of(sequence), CONFIG)), 0.0))

    assert [receive(s) for s in (0, 3, 0, 3, 9, 6, 4, 9)] == [1, 1, 0, 0, 1, 1, 0, 0]
    assert server.counters.duplicate == 4
    assert receive(2**31) == 0
    assert receive(30_000) == 0
    assert server.counters.out_of_window == 2
    assert receive(2**32 - 6) == 1  # before the first: late, not far
    assert receive(20_000) == 1
    assert receive(12) == 0


def test_audio_beyond_the_rate_limit_is_dropped() -> None:
    peers = established(limits=Limits(audio_frames_per_s=75, audio_frames_burst=300))
    peers.server.tick(0.0)
    for i in range(200):
        peers.server.receive_data(encode(frames_to_message(frames_of(i * 3), CONFIG)), 0.0)
    assert peers.server.counters.received_frames == 300
    assert peers.server.counters.rate_limited == 100
    (frames,) = peers.server.receive_data(encode(frames_to_message(frames_of(600), CONFIG)), 1.0)
    assert isinstance(frames, AudioFrames)


def test_a_flood_of_pings_fills_nothing() -> None:
    peers = established()
    for i in range(10_000):
        peers.server.receive_data(encode(Ping(i)), 0.0)
    assert len(peers.server.data_to_send()) <= Limits().outgoing_messages
    assert peers.server.counters.rate_limited > 7000
    assert peers.server.counters.not_sent > 0


def test_malformed_messages_are_counted_and_end_the_call_in_the_end() -> None:
    peers = established()
    events: list[object] = []
    count = 0
    while not events:
        count += 1
        events += peers.server.receive_data(b"\x10\xff", 0.0)
    assert count == 51
    assert closed(events).reason is Reason.PROTOCOL
    assert peers.server.receive_data(b"\x10\xff", 0.0) == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        "text",
        b"\x10" + bytes(9),  # no payload
        encode(Audio(0, 0, 3, 1, bytes(3))),  # no such rate
        encode(Audio(0, 0, 0, 1, b"\xff\xff\xff")),  # indices out of range
        b"\x15" + bytes(3000),  # too big
        encode(frames_to_message(frames_of(0), CONFIG)) + b"\0",  # audio must fit
    ],
)
def test_malformed_messages_are_survived(data: bytes | str) -> None:
    peers = established()
    assert peers.server.receive_data(data, 0.0) == []
    assert peers.server.counters.malformed == 1
    assert peers.server.state is State.ESTABLISHED


def test_rates_that_were_not_offered_are_malformed() -> None:
    peers = established(server=endpoint(rates=(0,)))
    assert (
        peers.server.receive_data(encode(frames_to_message(frames_of(0, rate=1), CONFIG)), 0.0)
        == []
    )
    assert peers.server.counters.malformed == 1


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=120),
            st.tuples(st.sampled_from(Kind), st.binary(max_size=120)).map(
                lambda pair: bytes([pair[0]]) + pair[1]
            ),
            st.integers(0, 40),
            st.text(max_size=5),
        ),
        max_size=40,
    ),
    st.sampled_from(["server", "auth", "client", "established"]),
)
@settings(max_examples=200)
def test_noise_in_any_state_raises_nothing(noise: list[bytes | int | str], where: str) -> None:
    peers = Peers(endpoint(SECRET), endpoint(SECRET))
    if where == "established":
        peers.settle()
    elif where == "auth":
        peers.deliver(False)
    session = peers.client if where == "client" else peers.server
    # real messages of the peer in the wrong order, truncated, and noise
    peers.collect()
    real = [
        *peers.to_server,
        encode(Bye(Reason.OTHER, "")),
        encode(frames_to_message(frames_of(5), CONFIG)),
    ]
    now = 0.0
    for item in noise:
        now += 0.05
        data = real[item % len(real)][: item + 10] if isinstance(item, int) else item
        session.receive_data(data, now)
        session.tick(now)
        session.send_audio(frames_of(0))
    assert len(session.data_to_send()) <= Limits().outgoing_messages + 1
    if where != "established":
        assert session.state is not State.ESTABLISHED


def test_round_trip_times_and_stalls() -> None:
    peers = established(now=100.0)
    assert peers.client.rtt_s is None
    peers.client.tick(100.0)
    assert peers.client.unanswered_s(100.3) == pytest.approx(0.3)
    peers.now = 100.05
    peers.deliver(False)
    peers.now = 100.08
    peers.deliver(True)
    assert peers.client.rtt_s == pytest.approx(0.08)
    assert peers.client.unanswered_s(101.0) == 0.0
    assert peers.client.deadline == pytest.approx(102.0)
    peers.client.receive_data(encode(Pong(12345)), 101.0)
    assert peers.client.counters.out_of_place == 1
    assert peers.client.rtt_s == pytest.approx(0.08)


def test_a_reconnection_carries_the_call_on() -> None:
    peers = established()
    for _ in range(3):
        peers.call.take_sequence()
    peers.client.send_audio(frames_of(0))
    peers.settle()
    peers.client.connection_lost(1.0)
    event = closed(list(peers.server.connection_lost(1.0)))
    assert event.reason is Reason.LOST
    assert event.may_retry

    # others find the line busy for a while, the peer does not
    stranger = Peers(registry=peers.registry, now=2.0)
    stranger.settle()
    assert closed(list(stranger.client_events)).reason is Reason.BUSY
    again = established(call=peers.call, registry=peers.registry, now=3.0)
    (event_at_server,) = again.server_events
    assert isinstance(event_at_server, Established)
    assert event_at_server.resumed
    again.client.send_audio(frames_of(0))
    again.client.send_audio(frames_of(3))
    again.settle()
    assert again.server.counters.duplicate == 1
    assert again.server.counters.received_frames == 3


def test_a_broken_call_makes_room_after_a_while() -> None:
    peers = established()
    peers.server.connection_lost(1.0)
    other = established(registry=peers.registry, now=12.0)
    assert isinstance(other.server_events[0], Established)


def test_a_restarted_server_is_heard_again() -> None:
    peers = established()
    for _ in range(300):
        peers.server.established.call.take_sequence()  # type: ignore[union-attr]
    peers.server.send_audio(frames_of(297))
    peers.settle()
    peers.client.connection_lost(1.0)
    again = established(call=peers.call, now=2.0)
    assert isinstance(again.client_events[0], Established)
    assert not again.client_events[0].resumed
    again.server.send_audio(frames_of(0))
    again.settle()
    assert again.client.counters.received_frames == 3


def test_the_newest_connection_of_a_call_counts() -> None:
    end = endpoint(SECRET)
    old = established(client=end, server=end)
    new = established(client=end, server=end, call=old.call, registry=old.registry)
    event = closed(list(old.server.tick(0.1)))
    assert event.reason is Reason.TAKEN_OVER
    assert not event.may_retry
    assert old.server.receive_data(encode(frames_to_message(frames_of(0), CONFIG)), 0.2) == []
    new.client.send_audio(frames_of(0))
    new.settle()
    assert new.server.counters.received_frames == 3
    assert len(new.registry) == 1


def test_bye_ends_the_call_and_frees_the_line() -> None:
    peers = established()
    assert closed(list(peers.client.close(1.0))).by_peer is False
    assert peers.client.close(1.0) == []
    peers.settle()
    event = closed(list(peers.server_events))
    assert (event.reason, event.by_peer) == (Reason.ENDED, True)
    assert len(peers.registry) == 0
    assert not peers.server.send(Mute(True))


def test_a_silent_link_counts_as_broken() -> None:
    peers = established()
    for now in np.arange(0.0, 15.0, 0.5):
        assert peers.client.tick(float(now)) == []
    event = closed(list(peers.client.tick(15.0)))
    assert event.reason is Reason.TIMEOUT
    assert event.may_retry


def test_a_session_needs_what_its_role_needs() -> None:
    with pytest.raises(InputError):
        Session(endpoint(), Role.CLIENT, 0.0)
    with pytest.raises(InputError):
        Session(endpoint(), Role.SERVER, 0.0, call=Call())
    with pytest.raises(InputError):
        endpoint(rates=(7,))
    with pytest.raises(InputError):
        endpoint(model_id="x" * 65)


TABLES = IndexCoder(CONFIG, random_tables(CONFIG)), fitted_coder(CONFIG)


@pytest.mark.parametrize("secret", [None, SECRET])
def test_audio_is_coded_when_both_sides_have_the_same_tables(secret: str | None) -> None:
    peers = Peers(endpoint(secret, coder=TABLES[1]), endpoint(secret, coder=TABLES[1]))
    peers.settle()
    smooth = smooth_indices(CONFIG, 6)
    sent = [AudioFrames(0, 0, smooth), frames_of(6, rate=2)]  # the second cannot be shortened
    kinds = []
    for frames in sent:
        assert peers.client.send_audio(frames)
        peers.collect()
        kinds.append(peers.to_server[-1][0])
    peers.settle()
    heard = [event for event in peers.server_events if isinstance(event, AudioFrames)]
    assert kinds == [Kind.AUDIO_CODED, Kind.AUDIO]
    for before, after in zip(sent, heard, strict=True):
        assert (before.indices == after.indices).all()


@pytest.mark.parametrize("coders", [(None, None), (TABLES[1], None), (None, TABLES[1]), TABLES])
def test_audio_is_packed_when_the_tables_differ(coders: tuple[IndexCoder | None, ...]) -> None:
    peers = Peers(endpoint(coder=coders[0]), endpoint(coder=coders[1]))
    peers.settle()
    frames = AudioFrames(0, 0, smooth_indices(CONFIG, 6))
    for session, queue in ((peers.client, peers.to_server), (peers.server, peers.to_client)):
        assert session.send_audio(frames)
        peers.collect()
        assert queue[-1][0] == Kind.AUDIO
    peers.settle()
    coded = frames_to_message(frames, CONFIG, TABLES[1])
    assert coded.KIND is Kind.AUDIO_CODED
    malformed = peers.server.counters.malformed
    assert peers.server.receive_data(encode(replace(coded, sequence=6)), peers.now) == []
    assert peers.server.counters.malformed == malformed + 1


@given(st.integers(0, 2), st.integers(1, 8), st.binary(max_size=90))
def test_coded_noise_is_heard_or_malformed(rate: int, frames: int, payload: bytes) -> None:
    peers = Peers(endpoint(coder=TABLES[0]), endpoint(coder=TABLES[0]))
    peers.settle()
    message = AudioCoded(0, 0, rate, frames, payload)
    events = peers.server.receive_data(encode(message), peers.now)
    assert len(events) + peers.server.counters.malformed == 1
    for event in events:
        assert isinstance(event, AudioFrames)
        assert frames_to_message(event, CONFIG, TABLES[0]) == message
