"""Sealed messages over transports that lose, repeat and reorder, and against forgers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.errors import InputError, SealError
from q2d2_stream.protocol.replay import REPLAY_WINDOW, ReplayWindow, unwrap
from q2d2_stream.protocol.sealing import (
    AUDIO_OVERHEAD_BYTES,
    CONTROL_OVERHEAD_BYTES,
    DirectionKeys,
    Sealing,
    Stream,
    is_sealed,
)

CLIENT = DirectionKeys(audio=bytes(range(16)), control=bytes(range(16, 32)))
SERVER = DirectionKeys(audio=bytes(range(32, 48)), control=bytes(range(48, 64)))


def pair(client_sequence: int = 0, server_sequence: int = 0) -> tuple[Sealing, Sealing]:
    """Both sides of a connection."""
    client = Sealing(
        CLIENT, SERVER, send_sequence=client_sequence, receive_sequence=server_sequence
    )
    server = Sealing(
        SERVER, CLIENT, send_sequence=server_sequence, receive_sequence=client_sequence
    )
    return client, server


def test_both_streams_open_on_the_other_side() -> None:
    client, server = pair()
    audio = client.seal_audio(0, b"three frames")
    control = client.seal_control(b"a note")
    assert len(audio) == len(b"three frames") + AUDIO_OVERHEAD_BYTES
    assert len(control) == len(b"a note") + CONTROL_OVERHEAD_BYTES
    assert is_sealed(audio)
    assert is_sealed(control)
    opened = server.open(control)
    assert (opened.stream, opened.counter, opened.body) == (Stream.CONTROL, 0, b"a note")
    opened = server.open(audio)
    assert (opened.stream, opened.sequence, opened.body) == (Stream.AUDIO, 0, b"three frames")


def test_a_message_opens_once_and_only_where_it_belongs() -> None:
    client, server = pair()
    sealed = client.seal_control(b"bye")
    with pytest.raises(SealError) as reflected:
        client.open(sealed)
    assert not reflected.value.is_replay
    assert server.open(sealed).body == b"bye"
    with pytest.raises(SealError) as replayed:
        server.open(sealed)
    assert replayed.value.is_replay
    # the same body under another stream's mark is no message of that stream
    with pytest.raises(SealError):
        server.open(bytes([sealed[0] & 0xBF]) + sealed[1:])


def test_a_sequence_number_is_never_sealed_twice() -> None:
    client, _ = pair(client_sequence=100)
    client.seal_audio(98, b"numbered before the hello")
    client.seal_audio(100, b"x")
    for sequence in (100, 99, 98, 0):
        with pytest.raises(InputError):
            client.seal_audio(sequence, b"y")
    client.seal_audio(101, b"z")


@pytest.mark.parametrize("start", [0, 5, 16_380, 2**31 - 2, 2**32 - 4])
def test_numbers_wrap(start: int) -> None:
    client, server = pair(start, 0)
    for step in range(0, 40_000, 700):
        sequence = (start + step) % 2**32
        opened = server.open(client.seal_audio(sequence, step.to_bytes(4, "big")))
        assert opened.sequence == sequence
        assert opened.body == step.to_bytes(4, "big")


def test_a_gap_of_eight_thousand_frames_is_bridged_and_a_longer_one_is_not() -> None:
    client, server = pair()
    server.open(client.seal_audio(0, b""))
    assert server.open(client.seal_audio(8_000, b"")).sequence == 8_000
    with pytest.raises(SealError):
        server.open(client.seal_audio(8_000 + 9_000, b""))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_path_that_loses_repeats_and_reorders(seed: int, start: int) -> None:
    dice = random.Random(seed)
    client, server = pair(start)
    sent = []
    for number in range(200):
        body = dice.randbytes(dice.randrange(30))
        if dice.random() < 0.2:
            sent.append((client.seal_control(body), body))
        else:
            sent.append((client.seal_audio((start + 3 * number) % 2**32, body), body))
    arriving = [item for item in sent if dice.random() > 0.1]
    arriving += dice.choices(arriving, k=50)
    # nothing overtakes by more than a window
    order = sorted(range(len(arriving)), key=lambda at: at + dice.uniform(0, 100))
    opened: set[bytes] = set()
    for at in order:
        sealed, body = arriving[at]
        if sealed in opened:
            with pytest.raises(SealError) as again:
                server.open(sealed)
            assert again.value.is_replay
        else:
            assert server.open(sealed).body == body
            opened.add(sealed)
    assert opened == {sealed for sealed, _ in arriving}


@given(st.binary(max_size=100))
def test_nothing_random_opens(data: bytes) -> None:
    _, server = pair()
    with pytest.raises(SealError):
        server.open(data)


def test_a_forgery_does_not_move_the_window() -> None:
    client, server = pair()
    real = client.seal_audio(0, b"real")
    for high in range(0x80, 0xC0):
        with pytest.raises(SealError):
            server.open(bytes([high, 0xFF]) + bytes(20))
    assert server.open(real).body == b"real"


def test_what_is_too_old_is_a_replay() -> None:
    client, server = pair()
    old = client.seal_audio(0, b"old")
    recent = client.seal_audio(3, b"recent")
    server.open(client.seal_audio(REPLAY_WINDOW, b"new"))
    with pytest.raises(SealError) as late:
        server.open(old)
    assert late.value.is_replay
    assert server.open(recent).body == b"recent"


@given(st.lists(st.integers(0, 6000), max_size=200))
def test_the_window_agrees_with_a_set(counters: list[int]) -> None:
    window, seen, highest = ReplayWindow(0), set(), -1
    for counter in counters:
        expected = counter not in seen and counter > highest - REPLAY_WINDOW
        assert window.is_new(counter) == expected
        if expected:
            window.add(counter)
            seen.add(counter)
            highest = max(highest, counter)
    assert window.highest == highest


@given(st.integers(0, 2**40), st.integers(-8192, 8191))
def test_unwrapping(near: int, away: int) -> None:
    counter = near + away
    assert unwrap(counter % 2**14, near) == counter


def test_keys_do_not_show() -> None:
    assert "00010203" not in repr(CLIENT)
    assert "\\x01" not in repr(CLIENT)
