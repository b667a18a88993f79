"""Who is forwarded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.relay.speakers import SpeakerSelector


def test_two_people_are_never_cut() -> None:
    selector = SpeakerSelector(4)
    for tick in range(100):
        now = tick / 25
        assert selector.forwards(1, tick % 7 == 0, now)
        assert selector.forwards(2, False, now)


def test_a_talker_keeps_the_place_through_pauses() -> None:
    selector = SpeakerSelector(1, hold_s=1.0)
    assert selector.forwards(1, True, 0.0)
    assert not selector.forwards(2, True, 0.5)
    assert selector.forwards(1, False, 0.9)
    assert selector.forwards(2, True, 1.0)
    assert not selector.forwards(1, True, 1.1)


def test_silence_takes_no_place_from_anybody() -> None:
    selector = SpeakerSelector(1, hold_s=1.0)
    assert selector.forwards(1, True, 0.0)
    assert selector.forwards(1, False, 3.0)
    assert not selector.forwards(2, False, 3.1)
    assert selector.forwards(2, True, 3.2)


def test_who_has_gone_without_a_word_frees_the_place() -> None:
    selector = SpeakerSelector(1)
    assert selector.forwards(1, True, 0.0)
    assert not selector.forwards(2, False, 4.0)
    assert selector.forwards(2, False, 5.5)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.floats(0, 0.5)), max_size=200),
    st.integers(1, 4),
)
def test_never_more_than_there_are_places(
    messages: list[tuple[int, bool, float]], places: int
) -> None:
    selector, now = SpeakerSelector(places), 0.0
    for member, voiced, pause in messages:
        now += pause
        forwarded = selector.forwards(member, voiced, now)
        assert len(selector.speakers) <= places
        assert forwarded == (member in selector.speakers)
