"""The member's side of a code that is shown: answers guesses, and few of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeAlias

from q2d2_stream.errors import HandshakeError
from q2d2_stream.protocol import Role
from q2d2_stream.protocol.limits import TokenBucket
from q2d2_stream.rooms.code import RoomCode
from q2d2_stream.rooms.code_keys import CodeExchange, CodeKeys
from q2d2_stream.rooms.code_messages import (
    CodeAnswer,
    CodeClose,
    CodeConfirm,
    CodeGrant,
    CodeGuess,
    CodeMessage,
    CodeNumber,
    CodeOpen,
)
from q2d2_stream.rooms.events import CodeGranted, CodeShown, CodeSpent, CodeWrong
from q2d2_stream.rooms.link import RoomLink

__all__ = ["CODE_VALID_S", "MAX_WRONG_GUESSES", "CodeEvent", "CodeHost"]

MAX_WRONG_GUESSES = 5
CODE_VALID_S = 600.0
_MOST_AT_ONCE = 8
# A guess costs some 10 ms of processor.
_GUESSES_PER_S, _GUESSES_BURST = 1.0, 5.0

CodeEvent: TypeAlias = CodeGranted | CodeShown | CodeSpent | CodeWrong


@dataclass
class _Shown:
    code: RoomCode
    link: str
    until: float
    bucket: TokenBucket
    wrong: int = 0
    pending: dict[int, CodeKeys] = field(default_factory=dict)


class CodeHost:
    """Shows a code for ten minutes, or until five guesses were wrong; any number of people may come
    by it. Without a clock: ``now`` in seconds. Every method returns messages for the relay, and
    what the user should know.
    """

    def __init__(self) -> None:
        self._wanted: RoomLink | None = None
        self._shown: _Shown | None = None

    @property
    def code(self) -> RoomCode | None:
        """What is shown."""
        return self._shown.code if self._shown is not None else None

    @property
    def deadline(self) -> float:
        """When :meth:`tick` wants to be called."""
        return self._shown.until if self._shown is not None else math.inf

    def show(self, link: RoomLink) -> CodeOpen:
        """Show a code that leads to ``link``, in place of one there may be."""
        self._shown, self._wanted = None, link
        return CodeOpen()

    def tick(self, now: float) -> tuple[list[CodeMessage], list[CodeEvent]]:
        """Time has passed."""
        if now < self.deadline:
            return [], []
        return self._end("the code is ten minutes old and leads nowhere any more")

    def receive(
        self, message: CodeNumber | CodeGuess | CodeConfirm, now: float
    ) -> tuple[list[CodeMessage], list[CodeEvent]]:
        """The relay says something about the code."""
        if isinstance(message, CodeNumber):
            return self._on_number(message.number, now)
        shown = self._shown
        if shown is None:
            return [CodeGrant(message.guess, b"")], []
        wrong = shown.wrong
        if isinstance(message, CodeGuess):
            answer: CodeMessage = self._on_guess(shown, message, now)
        else:
            answer = grant = self._on_confirm(shown, message)
            if grant.data:
                return [grant], [CodeGranted()]
        if shown.wrong == wrong:
            return [answer], []
        if shown.wrong < MAX_WRONG_GUESSES:
            return [answer], [CodeWrong(MAX_WRONG_GUESSES - shown.wrong)]
        messages, events = self._end("the code was guessed at too often and leads nowhere any more")
        return [answer, *messages], [CodeWrong(0), *events]

    def _on_number(self, number: int, now: float) -> tuple[list[CodeMessage], list[CodeEvent]]:
        link, self._wanted = self._wanted, None
        if link is None:
            return [], []
        if not number:
            return [], [CodeSpent("the relay has no code for you now: try again later")]
        code = RoomCode.new(number, link.relays[0])
        bucket = TokenBucket(_GUESSES_PER_S, _GUESSES_BURST, now)
        self._shown = _Shown(code, str(link), now + CODE_VALID_S, bucket)
        return [], [CodeShown(str(code))]

    def _on_guess(self, shown: _Shown, guess: CodeGuess, now: float) -> CodeAnswer | CodeGrant:
        if not shown.bucket.take(1, now):
            return CodeGrant(guess.guess, b"")
        exchange = CodeExchange(shown.code, Role.SERVER)
        try:
            keys = exchange.keys(guess.data)
        except HandshakeError:
            shown.wrong += 1
            return CodeGrant(guess.guess, b"")
        while len(shown.pending) >= _MOST_AT_ONCE:
            del shown.pending[next(iter(shown.pending))]
        shown.pending[guess.guess] = keys
        return CodeAnswer(guess.guess, exchange.share)

    def _on_confirm(self, shown: _Shown, confirm: CodeConfirm) -> CodeGrant:
        keys = shown.pending.pop(confirm.guess, None)
        if keys is None:
            return CodeGrant(confirm.guess, b"")
        if not keys.confirms(confirm.data):
            shown.wrong += 1
            return CodeGrant(confirm.guess, b"")
        return CodeGrant(confirm.guess, keys.seal_link(shown.link))

    def _end(self, text: str) -> tuple[list[CodeMessage], list[CodeEvent]]:
        self._shown = None
        return [CodeClose()], [CodeSpent(text)]
