"""Datagrams between member and relay: their bytes, and what nobody without the key can do."""

from __future__ import annotations

import hashlib
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.errors import SealError, WireError
from q2d2_stream.rooms.datagrams import (
    DatagramKind,
    DatagramOpener,
    DatagramSealer,
    EchoBody,
    PathBody,
)
from q2d2_stream.rooms.messages import RoomKind, Unknown, decode, encode
from q2d2_stream.rooms.path_messages import Lossy, PathAsk, PathOffer

KEY, OTHER = bytes(range(16)), bytes(range(16, 32))
KINDS = st.sampled_from(list(DatagramKind))
BODIES = st.binary(max_size=100)


@given(st.lists(st.tuples(KINDS, BODIES), max_size=20), st.randoms(use_true_random=False))
def test_what_is_sealed_opens_once_in_any_order(
    said: list[tuple[DatagramKind, bytes]], dice: random.Random
) -> None:
    sealer, opener = DatagramSealer(KEY), DatagramOpener(KEY)
    sent = [(number, each, sealer.seal(*each)) for number, each in enumerate(said)]
    dice.shuffle(sent)
    for number, (kind, body), data in sent:
        opened = opener.open(data)
        assert (opened.kind, opened.counter, opened.body) == (kind, number, body)
        with pytest.raises(SealError) as error:
            opener.open(data)
        assert error.value.is_replay
    assert opener.received == len(said)
    assert opener.newest == len(said) - 1


@given(st.binary(max_size=80))
def test_bytes_of_a_stranger_open_nothing(data: bytes) -> None:
    opener = DatagramOpener(KEY)
    with pytest.raises(SealError):
        opener.open(data)
    assert (opener.received, opener.newest) == (0, -1)


@given(KINDS, BODIES, st.data())
def test_what_was_changed_opens_not(kind: DatagramKind, body: bytes, data: st.DataObject) -> None:
    sealed = DatagramSealer(KEY).seal(kind, body)
    at = data.draw(st.integers(0, len(sealed) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = sealed[:at] + bytes([sealed[at] ^ flip]) + sealed[at + 1 :]
    for wrong in (changed, sealed[:-1], sealed + b"\0"):
        with pytest.raises(SealError):
            DatagramOpener(KEY).open(wrong)
    with pytest.raises(SealError):  # the other direction's
        DatagramOpener(OTHER).open(sealed)


def test_the_counter_goes_on_beyond_what_travels_of_it() -> None:
    sealer, opener = DatagramSealer(KEY), DatagramOpener(KEY)
    for number in range(0, 70_000, 3):
        sealer.next_counter = number
        assert opener.open(sealer.seal(DatagramKind.AUDIO, b"x")).counter == number
    with pytest.raises(SealError):  # a day old
        opener.open(DatagramSealer(KEY).seal(DatagramKind.AUDIO, b"x"))


def test_the_layout_is_as_documented() -> None:
    sealer = DatagramSealer(KEY)
    sealer.next_counter = 0x1_2345
    message = bytes([RoomKind.VOICE]) + b"sealed"
    head = ((3 << 14) | (0x1_2345 & 0x3FFF)).to_bytes(2, "big")
    whole = struct.pack("<Q", 0x1_2345) + head + b"sealed"
    tag = hashlib.blake2s(whole, key=KEY, digest_size=4).digest()
    assert sealer.seal_message(message) == head + b"sealed" + tag
    path = sealer.seal(DatagramKind.PATH, PathBody(1, 2, EchoBody(3, 4)).to_bytes())
    assert path[2:14] == struct.pack("<IIHH", 1, 2, 3, 4)
    assert len(path) == 2 + 12 + 8
    opened = DatagramOpener(KEY)
    opened._window.add(0x1_2344)
    assert opened.open(head + b"sealed" + tag).message == message


@given(st.binary(max_size=12))
def test_bodies_are_read_or_malformed(body: bytes) -> None:
    for kind, size in ((EchoBody, 4), (PathBody, 12)):
        if len(body) < size:
            with pytest.raises(WireError):
                kind.from_bytes(body)
        else:
            kind.from_bytes(body)


@given(st.integers(0, 2**14 - 1), st.integers(0, 2**16 - 1))
def test_an_echo_comes_back_as_it_was(newest: int, received: int) -> None:
    assert EchoBody.from_bytes(EchoBody(newest, received).to_bytes()) == EchoBody(newest, received)


@pytest.mark.parametrize(
    "message",
    [PathAsk(), PathOffer(), PathOffer(443, bytes(8), bytes(16), bytes(range(16))), Lossy(7)],
)
def test_messages_about_the_path_come_back(message: PathAsk | PathOffer | Lossy) -> None:
    assert decode(encode(message)) == message
    assert decode(encode(message) + b"of a later version") == message


@given(st.sampled_from([RoomKind.PATH_OFFER, RoomKind.LOSSY]), st.binary(max_size=60))
def test_hostile_messages_about_the_path_are_malformed_or_read(kind: RoomKind, body: bytes) -> None:
    try:
        message = decode(bytes([kind]) + body)
    except WireError:
        return
    assert not isinstance(message, Unknown)


def test_an_offer_shows_no_key() -> None:
    assert "6b65" not in repr(PathOffer(1, b"token...", b"key" * 5 + b"k", b"key" * 5 + b"k"))
    assert "key.." not in repr(PathOffer(1, b"token...", b"key.............", b"key............."))
