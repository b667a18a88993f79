"""Counting word errors."""

from __future__ import annotations

import pytest

from q2d2_stream.eval.words import normalize, word_errors


def test_normalize() -> None:
    assert normalize("It's 555-1234, A-B!") == ["its", "5", "5", "5", "1", "2", "3", "4", "a", "b"]
    assert normalize("Six 6, oh, nineteen") == ["6", "6", "oh", "nineteen"]
    assert normalize("Öl, naïve") == ["öl", "naïve"]


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("", "", 0),
        ("a b c", "a b c", 0),
        ("a b c", "a x c", 1),
        ("a b c", "a c", 1),
        ("a b", "a b c d", 2),
        ("a b", "", 2),
        ("", "a", 1),
        ("the cat sat", "cat sat down", 2),
    ],
)
def test_word_errors(said: str, heard: str, errors: int) -> None:
    assert word_errors(said.split(), heard.split()) == errors
