"""Codes that people read to each other: a number and three words, ``7-guitar-orbit-velvet``.

The words are the English list of BIP 39 (MIT licence, Trezor's ``mnemonic``): 2048 common words of
3 to 8 letters, no two of which share their first four. A code has 39.6 random bits. That would be
nothing against guesses offline, which the key exchange does not allow; a listener answers at most
some ten guesses a second (:mod:`q2d2_stream.transport.limiter`), which is 1,700 years for half of
the codes.
"""

from __future__ import annotations

import re
import secrets
from functools import cache
from importlib.resources import files

__all__ = ["MAX_NUMBER", "WORDS_IN_CODE", "is_code_phrase", "make_code_phrase", "tidy_code_phrase"]

MAX_NUMBER = 99
WORDS_IN_CODE = 3
_CODE = re.compile(r"\d{1,2}(?:[-_. ]+[a-z]+){2,}")


@cache
def words() -> tuple[str, ...]:
    """The 2048 words, sorted."""
    text = files("q2d2_stream.protocol").joinpath("words.txt").read_text(encoding="ascii")
    return tuple(text.split())


def make_code_phrase() -> str:
    """A new random code."""
    number = 1 + secrets.randbelow(MAX_NUMBER)
    chosen = (secrets.choice(words()) for _ in range(WORDS_IN_CODE))
    return "-".join((str(number), *chosen))


def is_code_phrase(text: str) -> bool:
    """Whether ``text`` looks like a code, however it was typed."""
    return _CODE.fullmatch(text.strip().lower()) is not None


def tidy_code_phrase(text: str) -> str:
    """A code as it was made, whatever case and separators it was typed with; other secrets are
    returned unchanged."""
    if not is_code_phrase(text):
        return text
    return "-".join(re.findall(r"\d+|[a-z]+", text.lower()))
