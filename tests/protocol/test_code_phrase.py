"""Codes that people read to each other."""

from __future__ import annotations

import math

import pytest

from q2d2_stream.protocol.code_phrase import (
    MAX_NUMBER,
    WORDS_IN_CODE,
    is_code_phrase,
    make_code_phrase,
    tidy_code_phrase,
    words,
)


def test_the_list_has_2048_words_that_four_letters_tell_apart() -> None:
    assert len(words()) == 2048
    assert len({word[:4] for word in words()}) == 2048
    assert all(word.isascii() and word.islower() and 3 <= len(word) <= 8 for word in words())


def test_a_code_is_a_number_and_three_words_of_the_list() -> None:
    codes = {make_code_phrase() for _ in range(300)}
    assert len(codes) == 300
    for code in codes:
        number, *rest = code.split("-")
        assert 1 <= int(number) <= MAX_NUMBER
        assert len(rest) == WORDS_IN_CODE
        assert set(rest) <= set(words())
        assert is_code_phrase(code)
        assert tidy_code_phrase(code) == code


def test_a_code_has_39_bits() -> None:
    bits = math.log2(MAX_NUMBER) + WORDS_IN_CODE * math.log2(len(words()))
    assert 39 < bits < 40


@pytest.mark.parametrize(
    "typed",
    ["7-Guitar-ORBIT-velvet", "7 guitar orbit velvet", " 7.guitar_orbit - velvet\n"],
)
def test_case_and_separators_do_not_matter(typed: str) -> None:
    assert tidy_code_phrase(typed) == "7-guitar-orbit-velvet"


@pytest.mark.parametrize(
    "secret", ["Correct Horse Battery", "pZ3-xyzzy-Q", "7guitars", "1234-56-78", "700-a-b"]
)
def test_other_secrets_stay_as_they_are(secret: str) -> None:
    assert not is_code_phrase(secret)
    assert tidy_code_phrase(secret) == secret
