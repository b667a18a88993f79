"""The protocol state machine: handshakes, refusals, resuming, limits, hostile peers."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.entropy import IndexCoder
from q2d2_stream.errors import InputError
from q2d2_stream.frames import AudioFrames
from q2d2_stream.packet import PacketCoder, Toc
from q2d2_stream.packing import pack
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
from q2d2_stream.protocol.audio import AudioWriter
from q2d2_stream.protocol.hello import Auth, Bye, Hello, Reject
from q2d2_stream.protocol.key_exchange import key_exchange
from q2d2_stream.protocol.kinds import Capability, Kind
from q2d2_stream.protocol.messages import (
    Echo,
    Message,
    PathAnswer,
    PathProbe,
    Ping,
    Pong,
    decode,
    encode,
)
from tests.labs.entropy import coder as fitted_coder
from tests.labs.entropy import random_tables, smooth_indices
from tests.labs.examples import examples
from tests.labs.protocol import CONFIG, HASH, SECRET, Peers, endpoint, frames_of, local_model


def established(**arguments: object) -> Peers:
    peers = Peers(**arguments)  # type: ignore[arg-type]
    peers.settle()
    assert peers.client.state is State.ESTABLISHED
    assert peers.server.state is State.ESTABLISHED
    return peers


def closed(events: list[object]) -> Closed:
    (event,) = (e for e in events if isinstance(e, Closed))
    return event


def greeting(role: Role, call_id: bytes, secret: str | None = SECRET) -> Hello:
    """A hello of somebody who has a secret, whichever."""
    exchange = key_exchange(Secret("not the secret") if secret else None, role)
    return Hello(
        role, exchange.method, exchange.share, (local_model().offer,), 3, call_id, bytes(16)
    )


@pytest.mark.parametrize("secret", [None, SECRET])
def test_handshake_agrees_on_rates_and_frames(secret: str | None) -> None:
    peers = established(
        client=endpoint(secret, rates=(0, 1), frames_per_message=2),
        server=endpoint(secret, rates=(1, 2), frames_per_message=4, dtx=True),
    )
    for events in (peers.client_events, peers.server_events):
        (event,) = events
        assert isinstance(event, Established)
        assert event.sending.rates == event.receiving.rates == (1,)
        assert event.authenticated == (secret is not None)
        assert event.frames_per_message == 4
        assert not event.resumed
    assert isinstance(peers.client_events[0], Established)
    assert peers.client_events[0].peer.capabilities & Capability.DTX


@given(st.integers(0, 2**32), st.booleans())
@examples(40)
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
            if session.send_audio(message, 0.0):
                sequences[to_client] += frames
        elif step < 0.9:
            notes = Mute(True), Text("hi"), ReceiverReport(*[0] * 7)
            session.send(notes[order.randrange(3)])
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
                expected, len(event.indices), CONFIG.width_to_rate(event.indices.shape[1]).index
            )
            np.testing.assert_array_equal(event.indices, sent.indices)
            expected += len(event.indices)
        assert expected == sequences[to_client]
    for session in (peers.client, peers.server):
        assert session.counters.malformed == session.counters.duplicate == 0


def test_flags_rates_and_messages_arrive() -> None:
    peers = established()
    assert peers.client.send_audio(frames_of(0, 5, rate=2, start=True, end=True), 0.0)
    assert peers.client.send_audio(frames_of(5, 1, dtx=True), 0.0)
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
        (
            {"model_id": "old", "model_hash": bytes(8)},
            {},
            Reason.MODEL,
            ["client", "old", "model-a", bytes(8).hex(), HASH.hex(), "install"],
        ),
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
    event = closed(list(server.receive_data(b"\x01Q2D2\x01whatever else", 0.0)))
    assert event.reason is Reason.VERSION
    (refusal,) = server.data_to_send()
    assert decode(refusal) == Reject(Reason.VERSION, event.text)
    assert "version 2" in event.text
    assert "the other 1" in event.text


def test_a_busy_line_says_so_and_the_call_goes_on() -> None:
    peers = established()
    second = Peers(registry=peers.registry)
    second.settle()
    event = closed(list(second.client_events))
    assert event.reason is Reason.BUSY
    assert event.may_retry
    assert peers.client.send_audio(frames_of(0), 0.0)
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


def test_a_reflected_confirmation_is_refused() -> None:
    # Mallory does not know the secret. She greets as a server with a share of her own, gets the
    # client's auth, and sends it back as hers.
    call = Call()
    client = Session(endpoint(SECRET), Role.CLIENT, 0.0, call=call)
    client.data_to_send()
    assert client.receive_data(encode(greeting(Role.SERVER, call.call_id)), 0.0) == []
    (auth,) = client.data_to_send()
    assert isinstance(decode(auth), Auth)
    assert closed(list(client.receive_data(auth, 0.0))).reason is Reason.SECRET

    # As a client she gets no auth to send anywhere: a server confirms only what was confirmed.
    server = Session(endpoint(SECRET), Role.SERVER, 0.0, registry=CallRegistry())
    assert server.receive_data(encode(greeting(Role.CLIENT, call.call_id)), 0.0) == []
    (answer,) = server.data_to_send()
    assert isinstance(decode(answer), Hello)
    assert closed(list(server.receive_data(auth, 0.0))).reason is Reason.SECRET
    assert all(isinstance(decode(data), Reject) for data in server.data_to_send())


@pytest.mark.parametrize("secret", [None, SECRET])
@pytest.mark.parametrize(
    "share", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32, b"\xed" + b"\xff" * 30 + b"\x7f"]
)
def test_shares_that_no_honest_peer_sends_are_refused(secret: str | None, share: bytes) -> None:
    server = Session(endpoint(secret), Role.SERVER, 0.0, registry=CallRegistry())
    hello = greeting(Role.CLIENT, bytes(16), secret)
    hello = replace(hello, share=(b"A" if secret else b"") + share)
    assert server.receive_data(encode(hello), 0.0) == []
    event = closed(list(server.receive_data(encode(Auth(bytes(16))), 0.0)))
    assert event.reason in (Reason.PROTOCOL, Reason.SECRET)
    assert all(not isinstance(decode(data), Auth) for data in server.data_to_send())


def test_a_recorded_handshake_does_not_open_a_second_call() -> None:
    peers = Peers(endpoint(SECRET), endpoint(SECRET))
    recorded: list[bytes] = []
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


@pytest.mark.parametrize("kind", [k for k in Kind if k not in (Kind.HELLO, Kind.REJECT)])
@pytest.mark.parametrize("secret", [None, SECRET])
def test_nothing_but_the_handshake_is_accepted_before_it_is_done(
    kind: Kind, secret: str | None
) -> None:
    server = Session(endpoint(secret), Role.SERVER, 0.0, registry=CallRegistry())
    messages: dict[Kind, Message] = {
        Kind.AUTH: Auth(bytes(16)),
        Kind.BYE: Bye(Reason.ENDED, "and good night"),
        Kind.PING: Ping(1),
        Kind.PONG: Pong(1),
        Kind.REPORT: ReceiverReport(*[0] * 7),
        Kind.MUTE: Mute(True),
        Kind.TEXT: Text("let me in"),
        Kind.ECHO: Echo(1, 0.0),
        Kind.PATH_PROBE: PathProbe(1),
        Kind.PATH_ANSWER: PathAnswer(1),
    }
    event = closed(list(server.receive_data(encode(messages[kind]), 0.0)))
    assert event.reason is Reason.PROTOCOL
    assert kind.name.lower() in event.text
    assert not server.send_audio(frames_of(0), 0.0)


@pytest.mark.parametrize("first", [0x80, 0xC0])
def test_nothing_sealed_is_accepted_before_the_handshake_is_done(first: int) -> None:
    server = Session(endpoint(), Role.SERVER, 0.0, registry=CallRegistry())
    events = [e for _ in range(9) for e in server.receive_data(bytes([first]) + bytes(30), 0.0)]
    assert closed(list(events)).reason is Reason.PROTOCOL
    assert not server.counters.received_frames


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
    peers.server.receive_data(b"\x7ffrom the future", 0.0)
    peers.settle()
    assert peers.server.state is State.ESTABLISHED
    peers.tell_server(b"\x7ffrom the future")
    assert peers.server.state is State.ESTABLISHED
    assert peers.server.counters.unknown == 2


def audio(peers: Peers, sequence: int, frames: AudioFrames | None = None) -> bytes:
    """Audio sealed as the client's, with whatever sequence number in its seal."""
    writer = AudioWriter(peers.client.established.sending)  # type: ignore[union-attr]
    return peers.seals.seal_audio(sequence, writer.write(frames or frames_of(sequence)).to_bytes())


def test_frames_that_come_again_are_dropped_and_counted() -> None:
    peers = established()
    server = peers.server
    sealed = {s: audio(peers, s) for s in (0, 3, 4, 6, 9)}
    heard = [len(server.receive_data(sealed[s], 0.0)) for s in (0, 3, 0, 3, 9, 6, 4, 9)]
    assert heard == [1, 1, 0, 0, 1, 1, 0, 0]
    assert server.counters.replayed == 3  # the same messages
    assert server.counters.duplicate == 1  # some of the frames were in another message


def test_audio_beyond_the_rate_limit_is_dropped() -> None:
    peers = established(limits=Limits(audio_frames_per_s=75, audio_frames_burst=300))
    for i in range(200):
        peers.server.receive_data(audio(peers, i * 3), 0.0)
    assert peers.server.counters.received_frames == 300
    assert peers.server.counters.rate_limited == 100
    (frames,) = peers.server.receive_data(audio(peers, 600), 1.0)
    assert isinstance(frames, AudioFrames)


def test_a_flood_of_pings_fills_nothing() -> None:
    peers = established()
    for i in range(10_000):
        peers.tell_server(Ping(i))
    assert len(peers.server.data_to_send()) <= Limits().outgoing_messages
    assert peers.server.counters.rate_limited > 7000
    assert peers.server.counters.not_sent > 0


def test_malformed_messages_are_counted_and_end_the_call_in_the_end() -> None:
    peers = established()
    events: list[object] = []
    count = 0
    while not events:
        count += 1
        events += peers.tell_server(b"\x11\xff")
    assert count == 51
    assert closed(events).reason is Reason.PROTOCOL
    assert peers.tell_server(b"\x11\xff") == []


@pytest.mark.parametrize("data", [b"", "text", b"\x11" + bytes(8), b"\xc0\x00" + bytes(8), b"\x80"])
def test_what_does_not_open_neither_ends_the_call_nor_keeps_it_alive(data: bytes | str) -> None:
    peers = established()
    for _ in range(500):
        assert peers.server.receive_data(data, 10.0) == []
    assert peers.server.counters.forged == 500
    assert peers.server.silent_s(14.0) == 14.0
    assert peers.server.state is State.ESTABLISHED


TOO_MANY_FLAGS = b"\x48" + bytes(4) + b"\x00" + bytes(3)  # of audio that is right but for them


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",  # no packet
        b"\x08\x00\x00",  # cut within the timestamp
        b"\x08" + bytes(4) + bytes([3 << 4]) + bytes(3),  # no such rate
        b"\x08" + bytes(4) + bytes([7 << 4]) + bytes(3),  # reserved
        b"\x08" + bytes(4) + b"\x00\xff\xff\xff",  # indices out of range
        b"\x08" + bytes(4) + b"\x00" + bytes(4),  # a packet must fit
        b"\x00\x00" + bytes(3),  # nothing has told the time
        TOO_MANY_FLAGS,
    ],
)
def test_malformed_audio_is_survived(body: bytes) -> None:
    peers = established()
    assert peers.server.receive_data(peers.seals.seal_audio(0, body), 0.0) == []
    assert peers.server.counters.malformed == 1
    assert peers.server.state is State.ESTABLISHED


def test_messages_that_are_too_big_are_dropped() -> None:
    peers = established()
    assert peers.tell_server(b"\x15" + bytes(3000)) == []
    assert peers.server.counters.rate_limited == 1


def test_rates_that_were_not_offered_are_malformed() -> None:
    peers = established(server=endpoint(rates=(0,)))
    assert peers.server.receive_data(audio(peers, 0, frames_of(0, rate=1)), 0.0) == []
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
@examples(200)
def test_noise_in_any_state_raises_nothing(noise: list[bytes | int | str], where: str) -> None:
    peers = Peers(endpoint(SECRET), endpoint(SECRET))
    if where == "established":
        peers.settle()
    elif where == "auth":
        peers.deliver(False)
    session = peers.client if where == "client" else peers.server
    # real messages of the peer in the wrong order, truncated, and noise
    peers.collect()
    real = [*peers.to_server, encode(Bye(Reason.OTHER, "")), encode(Auth(bytes(16)))]
    if where == "established":
        real += [audio(peers, 5), peers.seals.seal_control(encode(Mute(True)))]
    now = 0.0
    for item in noise:
        now += 0.05
        data = real[item % len(real)][: item + 10] if isinstance(item, int) else item
        session.receive_data(data, now)
        session.tick(now)
        session.send_audio(frames_of(3 * round(20 * now)), now)
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
    sealing = peers.server._open.sealing
    peers.client.receive_data(sealing.seal_control(encode(Pong(12345))), 101.0)
    assert peers.client.counters.out_of_place == 1
    assert peers.client.rtt_s == pytest.approx(0.08)


def test_a_reconnection_carries_the_call_on() -> None:
    peers = established()
    for _ in range(3):
        peers.call.take_sequence()
    peers.client.send_audio(frames_of(0), 0.0)
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
    again.client.send_audio(frames_of(0), 0.0)
    again.client.send_audio(frames_of(3), 0.0)
    again.settle()
    assert again.server.counters.duplicate == 1
    assert again.server.counters.received_frames == 3


def test_a_broken_call_makes_room_after_a_while() -> None:
    peers = established()
    peers.server.connection_lost(1.0)
    other = established(registry=peers.registry, now=62.0)
    assert isinstance(other.server_events[0], Established)


def test_a_restarted_server_is_heard_again() -> None:
    peers = established()
    for _ in range(300):
        peers.server.established.call.take_sequence()  # type: ignore[union-attr]
    peers.server.send_audio(frames_of(297), 0.0)
    peers.settle()
    peers.client.connection_lost(1.0)
    again = established(call=peers.call, now=2.0)
    assert isinstance(again.client_events[0], Established)
    assert not again.client_events[0].resumed
    again.server.send_audio(frames_of(0), 0.0)
    again.settle()
    assert again.client.counters.received_frames == 3


def test_the_newest_connection_of_a_call_counts() -> None:
    end = endpoint(SECRET)
    old = established(client=end, server=end)
    new = established(client=end, server=end, call=old.call, registry=old.registry)
    event = closed(list(old.server.tick(0.1)))
    assert event.reason is Reason.TAKEN_OVER
    assert not event.may_retry
    assert old.server.receive_data(audio(old, 0), 0.2) == []
    new.client.send_audio(frames_of(0), 0.0)
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
    for frames in sent:
        assert peers.client.send_audio(frames, 0.0)
    peers.settle()
    heard = [event for event in peers.server_events if isinstance(event, AudioFrames)]
    packed = sum(len(pack(frames.indices, CONFIG)) for frames in sent)
    assert peers.server.counters.received_payload_bytes < packed
    for before, after in zip(sent, heard, strict=True):
        assert (before.indices == after.indices).all()


@pytest.mark.parametrize("coders", [(None, None), (TABLES[1], None), (None, TABLES[1]), TABLES])
def test_audio_is_packed_when_the_tables_differ(coders: tuple[IndexCoder | None, ...]) -> None:
    peers = Peers(endpoint(coder=coders[0]), endpoint(coder=coders[1]))
    peers.settle()
    frames = AudioFrames(0, 0, smooth_indices(CONFIG, 6))
    for session in (peers.client, peers.server):
        assert session.send_audio(frames, 0.0)
        assert session.counters.sent_payload_bytes == len(pack(frames.indices, CONFIG))
    peers.settle()
    coded = b"\x08" + bytes(4) + PacketCoder(CONFIG, TABLES[1]).encode(frames.indices)
    malformed = peers.server.counters.malformed
    assert peers.server.receive_data(peers.seals.seal_audio(6, coded), peers.now) == []
    assert peers.server.counters.malformed == malformed + 1


@given(st.integers(0, 2), st.integers(1, 16), st.binary(max_size=90))
@examples(50)
def test_coded_noise_is_heard_or_malformed(rate: int, frames: int, payload: bytes) -> None:
    peers = Peers(endpoint(coder=TABLES[0]), endpoint(coder=TABLES[0]))
    peers.settle()
    packet = bytes([Toc(rate, frames, coded=True).to_byte()]) + payload
    sealed = peers.seals.seal_audio(0, b"\x08" + bytes(4) + packet)
    events = peers.server.receive_data(sealed, peers.now)
    assert len(events) + peers.server.counters.malformed == 1
    for event in events:
        assert isinstance(event, AudioFrames)
        assert PacketCoder(CONFIG, TABLES[0]).encode(event.indices) == packet
