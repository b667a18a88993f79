"""Members in a room without sockets: who is there, what is heard, what nobody can do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.protocol import Mute, Text
from q2d2_stream.relay.room import Room
from q2d2_stream.rooms import (
    Admitted,
    MemberAudio,
    MemberJoined,
    MemberLeft,
    MemberMuted,
    MemberNamed,
    MemberRecording,
    MemberText,
    Recording,
    RoomClosed,
    RoomSession,
)
from q2d2_stream.rooms.messages import (
    Challenge,
    Control,
    Refused,
    RoomKind,
    RoomReason,
    Sent,
    decode,
    encode,
)
from q2d2_stream.rooms.session import RoomState
from tests.labs.rooms import MemoryRelay, endpoint, frames_of, keys


def test_everybody_learns_who_is_there() -> None:
    relay = MemoryRelay()
    ann = relay.enter("Ann")
    bob = relay.enter("Bob")
    eve = relay.enter("Eve", now=1.0)
    relay.pump(1.5)
    events = relay.events[ann.member]
    assert events[0] == Admitted(())
    assert [e.member for e in events if isinstance(e, MemberJoined)] == [bob.member, eve.member]
    for session in (ann, bob, eve):
        names = {e.name for e in relay.events[session.member] if isinstance(e, MemberNamed)}
        assert len(names) == 2
        assert all(m.model is not None for m in session.members.values())
    relay.leave(bob)
    assert relay.events[ann.member][-1] == MemberLeft(bob.member)
    assert set(ann.members) == {eve.member}


def test_frames_reach_all_others_and_nobody_twice() -> None:
    relay = MemoryRelay()
    ann, bob, eve = (relay.enter(name) for name in ("Ann", "Bob", "Eve"))
    relay.pump(0.5)
    for sequence in range(0, 30, 3):
        assert ann.send_audio(frames_of(sequence), 0.0)
    relay.pump(0.6)
    for session in (bob, eve):
        heard = [e for e in relay.events[session.member] if isinstance(e, MemberAudio)]
        assert [e.frames.sequence for e in heard] == list(range(0, 30, 3))
        assert all(e.member == ann.member for e in heard)
        assert np.array_equal(heard[-1].frames.indices, frames_of(27).indices)
    assert not any(isinstance(e, MemberAudio) for e in relay.events[ann.member])


def test_who_comes_late_hears_from_then_on() -> None:
    relay = MemoryRelay()
    ann, bob = relay.enter("Ann"), relay.enter("Bob")
    relay.pump(0.5)
    first = 40_000  # beyond what the counter's 14 bits tell
    for sequence in range(0, first, 800):
        ann.send_audio(frames_of(sequence), 0.0)
        ann.data_to_send()
    for _ in range(20):
        bob.send(Text("hello"))
        relay.pump(0.6)
    late = relay.enter("Late", now=2.0)
    ann.send_audio(frames_of(first), 0.0)
    relay.pump(2.1)
    (heard,) = [e for e in relay.events[late.member] if isinstance(e, MemberAudio)]
    assert (heard.frames.sequence, heard.frames.timestamp) == (first, first)


def test_notes_and_mutes_are_seen_and_limited() -> None:
    relay = MemoryRelay()
    ann, bob = relay.enter("Ann"), relay.enter("Bob")
    relay.pump(0.5)
    assert bob.send(Mute(True))
    relay.pump(0.6)
    assert MemberMuted(bob.member, True) in relay.events[ann.member]
    for number in range(50):
        bob.send(Text(f"note {number}"))
    relay.pump(0.6)
    notes = [e for e in relay.events[ann.member] if isinstance(e, MemberText)]
    assert 1 <= len(notes) <= 5
    assert ann.counters.rate_limited >= 45
    late = relay.enter("Late", now=1.0)
    assert MemberMuted(bob.member, True) in relay.events[late.member]


def test_who_records_says_so_to_all_and_to_who_comes() -> None:
    relay = MemoryRelay()
    ann, bob = relay.enter("Ann"), relay.enter("Bob")
    relay.pump(0.5)
    assert ann.send(Recording(True))
    relay.pump(0.6)
    late = relay.enter("Late", now=1.0)
    relay.pump(1.5)
    for session in (bob, late):
        told = [e for e in relay.events[session.member] if isinstance(e, MemberRecording)]
        assert told == [MemberRecording(ann.member, True)]  # once, however often it is said
    ann.send(Recording(False))
    relay.pump(1.6)
    assert MemberRecording(ann.member, False) in relay.events[late.member]


def test_another_model_is_named_and_not_heard() -> None:
    relay = MemoryRelay()
    ann, bob = relay.enter("Ann", endpoint("new")), relay.enter("Bob", endpoint("old"))
    relay.pump(0.5)
    (named,) = [e for e in relay.events[ann.member] if isinstance(e, MemberNamed)]
    assert named.model is None
    bob.send_audio(frames_of(0), 0.0)
    relay.pump(0.6)
    assert not any(isinstance(e, MemberAudio) for e in relay.events[ann.member])
    assert ann.counters.out_of_place == 1


def test_a_relay_can_neither_read_forge_nor_repeat() -> None:
    relay = MemoryRelay()
    ann, bob, eve = (relay.enter(name) for name in ("Ann", "Bob", "Eve"))
    relay.pump(0.5)
    ann.send_audio(frames_of(0), 0.0)
    ann.send(Text("a secret of the two of us"))
    relay.pump(0.6)
    raw = relay.ears[bob.member].raw
    assert not any(b"secret of the two" in data or b"Ann" in data for data in raw)
    before = list(relay.events[bob.member])
    for data in list(raw):
        kind = data[0]
        if kind not in (RoomKind.AUDIO, RoomKind.VOICE, RoomKind.CONTROL):
            continue
        as_eve = bytes([kind]) + eve.member.to_bytes(4, "little") + data[5:]
        for wrong in (data, as_eve, data[:-1] + bytes([data[-1] ^ 1]), data[:-3]):
            relay.ears[bob.member].forward(wrong, audio=False)
    assert relay.events[bob.member] == before
    assert bob.counters.replayed
    assert bob.counters.forged


def test_a_refusal_says_why() -> None:
    session = RoomSession(keys(), endpoint(), "Ann", 0.0)
    session.receive_data(encode(Challenge(bytes(32))), 0.0)
    (closed,) = session.receive_data(encode(Refused(RoomReason.FULL, "the room is full")), 0.0)
    assert closed == RoomClosed(RoomReason.FULL, "the room is full")
    assert session.state is RoomState.CLOSED
    assert not session.send_audio(frames_of(0), 0.0)


def test_a_relay_of_another_version_is_named() -> None:
    session = RoomSession(keys(), endpoint(), "Ann", 0.0)
    other = bytearray(encode(Challenge(bytes(32))))
    other[5] = 9
    (closed,) = session.receive_data(bytes(other), 0.0)
    assert isinstance(closed, RoomClosed)
    assert "version 9" in closed.text


def test_a_silent_relay_is_given_up() -> None:
    session = RoomSession(keys(), endpoint(), "Ann", 0.0)
    assert session.deadline == 5.0
    (closed,) = session.tick(5.0)
    assert isinstance(closed, RoomClosed)
    relay = MemoryRelay()
    ann = relay.enter("Ann")
    ann.data_to_send()
    assert ann.tick(14.0) == []
    (closed,) = ann.tick(15.0)
    assert isinstance(closed, RoomClosed)
    assert closed.may_retry


@given(st.lists(st.binary(max_size=200), max_size=20), st.booleans())
def test_nothing_that_comes_raises(messages: list[bytes], admitted: bool) -> None:
    relay = MemoryRelay()
    session = relay.enter("Ann") if admitted else RoomSession(keys(), endpoint(), "Ann", 0.0)
    for message in messages:
        for kind in (b"", *(bytes([kind]) for kind in RoomKind)):
            session.receive_data(kind + message, 0.0)
    session.receive_data("text", 0.0)
    session.tick(1.0)


@given(st.lists(st.binary(max_size=120), max_size=20))
def test_a_room_takes_anything_from_the_bus(messages: list[bytes]) -> None:
    room = Room(b"a relay!", 4, 32)
    for message in messages:
        for kind in (b"", *(bytes([kind]) for kind in RoomKind)):
            room.receive_from_bus(kind + message, 0.0)


@pytest.mark.parametrize("counter", [0, 1, 2**32 - 1])
def test_control_carries_its_counter(counter: int) -> None:
    sent = Sent.control(counter, b"sealed")
    assert decode(sent.forwarded(7)) == Control(7, counter, b"sealed")
    assert decode(sent.to_relay(), from_member=True) == sent
