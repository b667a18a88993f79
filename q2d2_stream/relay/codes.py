"""Numbers of short codes: who shows one, and who guesses at it, here and at other relays.

A number belongs to a member of this relay while it shows a code. Who asks for it speaks with that
member through the relay, one guess per connection. Where another relay has the number, the messages
go over the bus: to the subject of the number, and back to one of the joiner's own.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from q2d2_stream.errors import HandshakeError, WireError
from q2d2_stream.protocol.limits import TokenBucket
from q2d2_stream.relay.bus import Bus
from q2d2_stream.relay.rates import RateByAddress
from q2d2_stream.relay.room import Outlet
from q2d2_stream.rooms.code import MAX_CODE_NUMBER
from q2d2_stream.rooms.code_messages import (
    REPLY_BYTES,
    CodeAnswer,
    CodeAsk,
    CodeClaim,
    CodeConfirm,
    CodeGrant,
    CodeGuess,
    CodeNumber,
    CodeTaken,
    CodeVia,
)
from q2d2_stream.rooms.messages import decode, encode

__all__ = ["CodeDesk", "CodeLine"]

_SHORT_NUMBER = 99  # the first one drawn is no longer, while half of these are free here
_TRIES = 8  # each finds one of seven taken, where a hundred and fifty codes are shown
_CLAIM_S = 0.25  # for other relays to say that they have it
_PENDING = 8
_GUESSES_PER_S, _GUESSES_BURST = 1.0, 5.0
# Of one address: who mistypes is let try again, who tries words is not.
_ASKS_PER_S, _ASKS_BURST = 0.1, 5.0
_QUEUE = 4

Reply: TypeAlias = Callable[[bytes], None]


@dataclass
class _Slot:
    outlet: Outlet
    bucket: TokenBucket
    guesses: dict[int, tuple[bytes, Reply]] = field(default_factory=dict)  # oldest first
    next_guess: int = 0
    is_taken: bool = False  # by another relay

    def from_joiner(self, joiner: bytes, message: CodeAsk | CodeConfirm, reply: Reply) -> None:
        if isinstance(message, CodeAsk):
            if not self.bucket.take(1, time.monotonic()):
                reply(encode(CodeGrant(0, b"")))
                return
            while len(self.guesses) >= _PENDING:
                del self.guesses[next(iter(self.guesses))]
            self.next_guess += 1
            self.guesses[self.next_guess] = joiner, reply
            self.outlet.forward(encode(CodeGuess(self.next_guess, message.share)), audio=False)
            return
        guess = next((n for n, (who, _) in self.guesses.items() if who == joiner), None)
        if guess is not None:
            self.outlet.forward(encode(CodeConfirm(guess, message.data)), audio=False)

    def from_member(self, message: CodeAnswer | CodeGrant) -> None:
        if message.guess in self.guesses:
            _, reply = self.guesses[message.guess]
            if isinstance(message, CodeGrant):
                del self.guesses[message.guess]
            reply(encode(message))


class CodeLine:
    """A joiner's way to the member who shows a code."""

    def __init__(self, send: Callable[[CodeAsk | CodeConfirm], None]) -> None:
        self.send = send
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(_QUEUE)

    async def receive(self) -> CodeAnswer | CodeGrant:
        """The next message of the member."""
        while True:
            message = _decoded(await self._queue.get())
            if isinstance(message, CodeAnswer | CodeGrant):
                return message

    def put(self, data: bytes) -> None:
        """A message has come; dropped where too many have."""
        if not self._queue.full():
            self._queue.put_nowait(data)


class CodeDesk:
    """Gives numbers away, and connects who asks for one.

    Args:
        bus: to other relays.
        relay: 8 random bytes of this one.
    """

    def __init__(self, bus: Bus, relay: bytes) -> None:
        self._bus, self._relay = bus, relay
        self._slots: dict[int, _Slot] = {}
        self._opening: set[Outlet] = set()
        self._asks = RateByAddress(_ASKS_PER_S, _ASKS_BURST)

    def __len__(self) -> int:
        return len(self._slots)

    async def open(self, outlet: Outlet) -> None:
        """Give a member a number, in place of one that it has, and tell it."""
        if outlet in self._opening or outlet.is_gone:
            return
        self._opening.add(outlet)
        try:
            number = await self._claim(outlet)
        finally:
            self._opening.discard(outlet)
        outlet.forward(encode(CodeNumber(number)), audio=False)

    async def close(self, outlet: Outlet) -> None:
        """A member shows no code any more, or has gone."""
        await self._forget(self._drop(outlet))

    def from_member(self, outlet: Outlet, message: CodeAnswer | CodeGrant) -> None:
        """What a member says to a guess."""
        for slot in self._slots.values():
            if slot.outlet is outlet:
                slot.from_member(message)

    def may_ask(self, host: str, now: float) -> bool:
        """Whether somebody at an address may guess now."""
        return self._asks.take(host, now)

    @asynccontextmanager
    async def line(self, number: int) -> AsyncIterator[CodeLine]:
        """A joiner's way to the member with a number, here or elsewhere."""
        joiner = secrets.token_bytes(REPLY_BYTES)
        slot = self._slots.get(number)
        if slot is not None:
            here = CodeLine(lambda message: slot.from_joiner(joiner, message, here.put))
            yield here
            return

        def publish(message: CodeAsk | CodeConfirm) -> None:
            self._bus.publish(_topic(number), encode(CodeVia(joiner, encode(message))))

        there = CodeLine(publish)
        await self._bus.subscribe(joiner, there.put)
        try:
            yield there
        finally:
            await self._bus.unsubscribe(joiner)

    async def _claim(self, outlet: Outlet) -> int:
        """A number that no relay has given away; 0 where there is none."""
        taken: set[int] = set()
        for _ in range(_TRIES):
            # Without a pause from here to the slot: who leaves meanwhile leaves no slot behind.
            old, number = self._drop(outlet), self._free_number(taken)
            if number:
                bucket = TokenBucket(_GUESSES_PER_S, _GUESSES_BURST, time.monotonic())
                self._slots[number] = _Slot(outlet, bucket)
            await self._forget(old)
            if not number:
                return 0
            await self._bus.subscribe(_topic(number), functools.partial(self._on_bus, number))
            if self._bus.has_others:
                self._bus.publish(_topic(number), encode(CodeClaim(self._relay)))
                await asyncio.sleep(_CLAIM_S)
            slot = self._slots.get(number)
            if slot is None or slot.outlet is not outlet:
                await self._bus.unsubscribe(_topic(number))
                return 0
            if not slot.is_taken:
                return number
            taken.add(number)
        await self.close(outlet)
        return 0

    def _drop(self, outlet: Outlet) -> list[int]:
        """Take the numbers of a member away; which they were."""
        dropped = [number for number, slot in self._slots.items() if slot.outlet is outlet]
        for number in dropped:
            del self._slots[number]
        return dropped

    async def _forget(self, numbers: list[int]) -> None:
        for number in numbers:
            if number not in self._slots:
                await self._bus.unsubscribe(_topic(number))

    def _free_number(self, taken: Set[int]) -> int:
        """One that nobody has here, nor at another relay as far as is known; 0: there is none.

        Who knows of one that is ``taken`` elsewhere draws from them all: of the short ones others
        may have most.
        """
        is_short = not taken and len(self._slots) < _SHORT_NUMBER // 2
        most = _SHORT_NUMBER if is_short else MAX_CODE_NUMBER
        used = self._slots.keys() | taken
        free = [number for number in range(1, most + 1) if number not in used]
        return secrets.choice(free) if free else 0

    def _on_bus(self, number: int, data: bytes) -> None:
        message, slot = _decoded(data), self._slots.get(number)
        if isinstance(message, CodeTaken):
            if message.relay == self._relay and slot is not None:
                slot.is_taken = True
        elif slot is None or slot.is_taken:
            return
        elif isinstance(message, CodeClaim) and message.relay != self._relay:
            self._bus.publish(_topic(number), encode(CodeTaken(message.relay)))
        elif isinstance(message, CodeVia):
            inner = _decoded(message.message)
            if isinstance(inner, CodeAsk | CodeConfirm):
                reply = functools.partial(self._bus.publish, message.reply)
                slot.from_joiner(message.reply, inner, reply)


def _topic(number: int) -> bytes:
    """Where relays speak of a number: as the id of a room, which no key can have."""
    return hashlib.sha256(b"q2d2-stream code %d" % number).digest()[:REPLY_BYTES]


def _decoded(data: bytes) -> object:
    try:
        return decode(data)
    except (WireError, HandshakeError):
        return None
