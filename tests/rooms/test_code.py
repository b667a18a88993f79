"""Short codes: how they are typed, what a guess gets, how many there are."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.errors import CallError, InputError
from q2d2_stream.rooms import CodeGranted, CodeShown, CodeSpent, CodeWrong, RoomCode, RoomLink
from q2d2_stream.rooms.code_host import CODE_VALID_S, CodeEvent, CodeHost
from q2d2_stream.rooms.code_joiner import CodeJoiner
from q2d2_stream.rooms.code_messages import (
    CodeAnswer,
    CodeAsk,
    CodeConfirm,
    CodeGrant,
    CodeGuess,
    CodeNumber,
    CodeOpen,
)
from q2d2_stream.rooms.messages import Challenge, Refused, RoomReason, decode, encode

LINK = RoomLink(bytes(range(16)), ("https://relay.example", "https://other.example"))
_GUESSES = itertools.count(1)


def shown(now: float = 0.0) -> tuple[CodeHost, RoomCode]:
    """Somebody who shows a code."""
    host = CodeHost()
    assert host.show(LINK) == CodeOpen()
    messages, events = host.receive(CodeNumber(7), now)
    assert host.code is not None
    assert (messages, events) == ([], [CodeShown(str(host.code))])
    return host, host.code


def guess(host: CodeHost, code: RoomCode, now: float) -> tuple[CodeJoiner, list[CodeEvent]]:
    """A whole guess, as a relay carries it; raises CallError as the joiner's side does."""
    joiner, number = CodeJoiner(code), next(_GUESSES)
    (data,) = joiner.receive_data(encode(Challenge(bytes(32))))
    ask = decode(data, from_member=True)
    assert isinstance(ask, CodeAsk)
    assert ask.number == code.number
    (answer,), events = host.receive(CodeGuess(number, ask.share), now)
    if isinstance(answer, CodeAnswer):
        (data,) = joiner.receive_data(encode(answer))
        confirm = decode(data)
        assert isinstance(confirm, CodeConfirm)
        (answer, *_), more = host.receive(CodeConfirm(number, confirm.data), now)
        events += more
    assert isinstance(answer, CodeGrant)
    try:
        joiner.receive_data(encode(answer))
    except CallError:
        assert joiner.link is None
    return joiner, events


@pytest.mark.parametrize(
    ("text", "relay"),
    [
        ("7-guitar-orbit@relay.example", "https://relay.example"),
        (" 7 Guitar ORBIT@relay.example:8443 ", "https://relay.example:8443"),
        ("7_guitar.orbit@https://relay.example", "https://relay.example"),
        ("7-guitar-orbit@127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("7-guitar-orbit@[::1]:8080", "http://[::1]:8080"),
        ("7-guitar-orbit@localhost", "http://localhost"),
    ],
)
def test_a_code_is_read_however_it_is_typed(text: str, relay: str) -> None:
    code = RoomCode.parse(text)
    assert (code.number, code.words, code.relay) == (7, ("guitar", "orbit"), relay)
    assert RoomCode.parse(str(code)) == code
    assert RoomCode.is_code(text)
    assert "guitar" not in repr(code)


@pytest.mark.parametrize(
    "text",
    ["7-guitar-orbit", "7-guitar-orbit-velvet@host:9000", "guitar-orbit@host", "host:9000",
     str(LINK), "7-guitar@host"],
)  # fmt: skip
def test_what_is_no_code_of_a_room(text: str) -> None:
    assert not RoomCode.is_code(text)
    with pytest.raises(InputError, match="7-guitar-orbit@relay"):
        RoomCode.parse(text)


@given(st.integers(1, 999), st.sampled_from(["https://a.example", "http://127.0.0.1:80"]))
def test_a_new_code_reads_as_itself(number: int, relay: str) -> None:
    code = RoomCode.new(number, relay)
    assert RoomCode.parse(str(code)) == code


def test_the_right_code_gets_the_link_and_goes_on_being_right() -> None:
    host, code = shown()
    for now in (0.0, 10.0):
        joiner, events = guess(host, RoomCode.parse(str(code).upper().replace("-", " ")), now)
        assert joiner.link == LINK
        assert events == [CodeGranted()]


def test_five_wrong_guesses_end_a_code() -> None:
    host, code = shown()
    wrong = RoomCode(code.number, (code.words[0], code.words[1] + "x"), code.relay)
    for left in (4, 3, 2, 1):
        joiner, events = guess(host, wrong, 10.0 * (5 - left))
        assert joiner.link is None
        assert events == [CodeWrong(left)]
    _, events = guess(host, wrong, 60.0)
    assert events[0] == CodeWrong(0)
    assert isinstance(events[1], CodeSpent)
    assert host.code is None
    assert guess(host, code, 70.0)[0].link is None  # the right one comes too late


def test_guesses_are_slow_and_many_at_once_are_no_more_than_five() -> None:
    host, code = shown()
    answers = []
    for number in range(100):
        share = CodeJoiner(code).receive_data(encode(Challenge(bytes(32))))[0][-33:]
        (answer,), _ = host.receive(CodeGuess(number, share), 0.0)
        answers.append(answer)
    open_ = [answer for answer in answers if isinstance(answer, CodeAnswer)]
    assert 1 <= len(open_) <= 5
    wrong = 0
    for answer in open_:
        _, events = host.receive(CodeConfirm(answer.guess, bytes(16)), 0.0)
        wrong += sum(isinstance(event, CodeWrong) for event in events)
    assert wrong == len(open_)
    # one that is confirmed twice, or was never asked, counts for nothing
    assert host.receive(CodeConfirm(open_[0].guess, bytes(16)), 0.0)[1] == []


def test_a_share_that_is_none_counts_as_a_guess() -> None:
    host, _ = shown()
    (answer,), events = host.receive(CodeGuess(1, b"A" + bytes(32)), 0.0)
    assert answer == CodeGrant(1, b"")
    assert events == [CodeWrong(4)]


def test_a_code_ends_after_ten_minutes() -> None:
    host, code = shown(100.0)
    assert host.tick(100.0 + CODE_VALID_S - 1) == ([], [])
    _, (event,) = host.tick(100.0 + CODE_VALID_S)
    assert isinstance(event, CodeSpent)
    assert guess(host, code, 800.0)[0].link is None


def test_a_relay_that_makes_the_answers_itself_gets_nothing_and_gives_nothing() -> None:
    _, code = shown()
    guessed = RoomCode(code.number, ("abandon", "ability"), code.relay)
    relay = CodeHost()
    relay.show(RoomLink.new("https://evil.example"))
    relay.receive(CodeNumber(7), 0.0)
    joiner, _ = guess(relay, guessed, 0.0)
    assert joiner.link is None


def test_a_number_that_was_not_asked_for_shows_nothing() -> None:
    host = CodeHost()
    assert host.receive(CodeNumber(7), 0.0) == ([], [])
    host.show(LINK)
    _, (event,) = host.receive(CodeNumber(0), 0.0)
    assert isinstance(event, CodeSpent)
    assert host.receive(CodeGuess(3, bytes(33)), 0.0) == ([CodeGrant(3, b"")], [])


def test_what_the_joiner_is_told_is_a_sentence() -> None:
    _, code = shown()
    joiner = CodeJoiner(code)
    with pytest.raises(CallError, match="nobody shows"):
        joiner.receive_data(encode(Refused(RoomReason.CODE, "nobody shows that")))
    with pytest.raises(CallError, match="nonsense"):
        joiner.receive_data(b"")
    with pytest.raises(CallError, match="not right"):
        joiner.receive_data(encode(CodeGrant(0, bytes(40))))
    joiner.receive_data(encode(Challenge(bytes(32))))
    with pytest.raises(CallError):
        joiner.receive_data(encode(CodeAnswer(0, bytes(33))))
