"""Links to rooms, and the keys they make."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.errors import InputError
from q2d2_stream.rooms import RoomKeys, RoomLink
from q2d2_stream.rooms.keys import member_id, room_id_of, verify_admission


@given(st.binary(min_size=16, max_size=16), st.booleans())
def test_a_link_says_all_of_a_room(secret: bytes, several: bool) -> None:
    relays = ("https://relay.example", *(("https://other.example:8443",) if several else ()))
    link = RoomLink(secret, relays)
    assert RoomLink.is_link(str(link))
    assert RoomLink.parse(str(link)) == link
    head, _, fragment = str(link).partition("#")
    assert head == "https://relay.example/"
    assert len(fragment.split("&")[0]) == len("k=") + 22


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://relay.example/", "no key"),
        ("https://relay.example/#k=abc", "22"),
        ("https://relay.example/#k=!!!!", "22"),
        ("https://relay.example/#x=1", "no key"),
        ("http://relay.example/#k=AAAAAAAAAAAAAAAAAAAAAA", "not encrypted"),
        ("ftp://relay.example/#k=AAAAAAAAAAAAAAAAAAAAAA", "https://HOST"),
        ("https:///#k=AAAAAAAAAAAAAAAAAAAAAA", "https://HOST"),
        ("https://a:0/#k=AAAAAAAAAAAAAAAAAAAAAA", "https://HOST"),
        ("https://me:pass@a/#k=AAAAAAAAAAAAAAAAAAAAAA", "https://HOST"),
        ("https://a:99999/#k=AAAAAAAAAAAAAAAAAAAAAA", "address of a relay"),
    ],
)
def test_a_wrong_link_is_one_sentence(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        RoomLink.parse(text)
    assert "AAAAAAAA" not in str(caught.value)  # a key is not shown


def test_http_is_for_this_machine() -> None:
    link = RoomLink.new("http://127.0.0.1:8080", "http://localhost")
    assert link.websocket_uris() == ["ws://127.0.0.1:8080/room", "ws://localhost/room"]
    assert RoomLink.new("https://a.b").websocket_uris() == ["wss://a.b/room"]
    assert str(link.secret.hex()) not in repr(link)


def test_keys_are_of_one_room_and_one_connection() -> None:
    one, other = (RoomKeys(RoomLink.new("https://a").secret) for _ in range(2))
    assert one.room_id != other.room_id
    assert one.fingerprint != other.fingerprint
    nonces = [RoomKeys.new_nonce() for _ in range(3)]
    made = {k for keys in (one, other) for n in nonces for k in (keys.member_keys(n).audio,
            keys.member_keys(n).control)}  # fmt: skip
    assert len(made) == 12
    assert member_id(nonces[0]) == int.from_bytes(nonces[0][:4], "big")


def test_only_the_room_s_own_key_lets_in() -> None:
    keys, stranger = (RoomKeys(RoomLink.new("https://a").secret) for _ in range(2))
    nonce, challenge = RoomKeys.new_nonce(), bytes(32)
    signature = keys.sign_admission(challenge, nonce)
    assert room_id_of(keys.public_key) == keys.room_id
    good = (keys.public_key, signature, challenge, keys.room_id, nonce)
    assert verify_admission(*good)
    for at, wrong in enumerate(
        (stranger.public_key, stranger.sign_admission(challenge, nonce), bytes([1] * 32),
         stranger.room_id, RoomKeys.new_nonce())
    ):  # fmt: skip
        assert not verify_admission(*(*good[:at], wrong, *good[at + 1 :]))
