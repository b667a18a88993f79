"""Short codes for reading aloud: ``7-guitar-orbit@relay.example`` leads to the link of a room.

The number is the relay's, and says who shows the code. The two words are secret: 22 random bits.
That is enough, since a guess takes the answer of the member who shows the code, and it shows a code
no longer after five wrong ones: who guesses gets in with one code of 840,000.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from q2d2_stream.errors import InputError
from q2d2_stream.protocol.code_phrase import words
from q2d2_stream.rooms.link import RoomLink

__all__ = ["MAX_CODE_NUMBER", "RoomCode"]

MAX_CODE_NUMBER = 999
_WORDS = 2
_CODE = re.compile(r"(\d{1,3})[-_. ]+([a-z]+)[-_. ]+([a-z]+)@(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class RoomCode:
    """A code, and where it is shown.

    Attributes:
        number: 1 to 999.
        words: two of the list in :mod:`q2d2_stream.protocol.code_phrase`; never shown in ``repr``.
        relay: address, ``https://host[:port]``.
    """

    number: int
    words: tuple[str, str] = field(repr=False)
    relay: str

    @classmethod
    def new(cls, number: int, relay: str) -> RoomCode:
        """A code with random words."""
        return cls(number, (secrets.choice(words()), secrets.choice(words())), relay)

    @classmethod
    def is_code(cls, text: str) -> bool:
        """Whether a text is meant to be a code: a number, two words, @ and a relay."""
        return _CODE.fullmatch(text.strip()) is not None

    @classmethod
    def parse(cls, text: str) -> RoomCode:
        """The code of a text, however it was typed; raises InputError."""
        found = _CODE.fullmatch(text.strip())
        number = int(found[1]) if found is not None else 0
        if found is None or not 1 <= number <= MAX_CODE_NUMBER:
            raise InputError(
                f"{text!r} is not the code of a room, expected one such as "
                "7-guitar-orbit@relay.example"
            )
        where = found[4]
        if "://" not in where:
            where = f"https://{where}"
            try:
                RoomLink.new(where.replace("https", "http", 1))  # allowed for this machine alone
            except InputError:
                pass
            else:
                where = where.replace("https", "http", 1)
        (relay,) = RoomLink.new(where).relays
        return cls(number, (found[2].lower(), found[3].lower()), relay)

    @property
    def password(self) -> str:
        """What both sides of the key exchange know."""
        return "-".join((str(self.number), *self.words))

    def __str__(self) -> str:
        scheme, _, host = self.relay.partition("://")
        plain = scheme == "https" or RoomCode.parse(f"1-a-b@{host}").relay == self.relay
        return f"{self.password}@{host if plain else self.relay}"
