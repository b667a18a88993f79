"""Hostile callers, a process of their own: ``python -m tests.labs.attackers PORT ATTACK [SECRET]``.

They speak just enough websocket to be let in, and are written for speed, not for politeness.
Each prints how many messages it sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import Awaitable, Callable

from q2d2_stream.protocol.kinds import Kind
from q2d2_stream.protocol.messages import Ping, Text, encode

__all__ = ["nasty"]

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def audio(sequence: int = 0) -> bytes:
    """What looks like sealed audio."""
    return (0x8000 | sequence & 0x3FFF).to_bytes(2, "big") + os.urandom(20)


def nasty(seed: int) -> bytes:
    """A message that a stranger may try."""
    dice = random.Random(seed)
    kind = dice.randrange(8)
    if kind == 0:
        return dice.randbytes(dice.randrange(2048))
    if kind == 1:
        return bytes([dice.choice(list(Kind))]) + dice.randbytes(dice.randrange(80))
    if kind == 2:
        return audio(dice.randrange(2**32))
    if kind == 3:
        return encode(Text("x" * dice.randrange(900)))
    if kind == 4:
        return b""
    if kind == 5:
        return encode(Ping(dice.randrange(2**64)))
    if kind == 6:
        return audio()[: dice.randrange(12)]
    return bytes([dice.randrange(64, 256)]) + dice.randbytes(30)


def frame(data: bytes, opcode: int = 0x82) -> bytes:
    """A masked websocket frame; the mask is zero, which is allowed."""
    length = len(data)
    if length < 126:
        head = bytes([opcode, 0x80 | length])
    elif length < 65_536:
        head = bytes([opcode, 0xFE]) + length.to_bytes(2, "big")
    else:
        head = bytes([opcode, 0xFF]) + length.to_bytes(8, "big")
    return head + bytes(4) + data


async def throw(port: int, *pieces: bytes) -> None:
    """Open a connection, throw pieces at it, wait for the answer that there may be."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(REQUEST)
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            async with asyncio.timeout(2.0):
                await reader.read(4096)
        finally:
            writer.transport.abort()


async def strangers(port: int) -> int:
    """10 000 messages of all kinds, fifty to a connection."""
    sent = 0
    for start in range(0, 10_000, 200):
        groups = [range(first, first + 50) for first in range(start, start + 200, 50)]
        bursts = [b"".join(frame(nasty(seed)) for seed in group) for group in groups]
        await asyncio.gather(*(throw(port, burst) for burst in bursts))
        sent += 200
    return sent


async def oversized(port: int) -> int:
    """Messages that are too long, in one frame and in endless ones."""
    for size in (769, 2048, 2049, 1 << 20):
        await throw(port, frame(bytes(size)))
    endless = frame(b"", 0x02) + frame(b"", 0x00) * 40_000
    await throw(port, *([endless] * 20))
    return 5


async def slow(port: int) -> int:
    """Twenty connections that say one letter per second."""

    async def drip() -> None:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for letter in REQUEST:
                writer.write(bytes([letter]))
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    if not await asyncio.wait_for(reader.read(1), 1.0):
                        return

    await asyncio.gather(*(drip() for _ in range(20)))
    return 20


async def pings(port: int) -> int:
    """Websocket pings whose answers are never read."""
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(REQUEST)
        ping = frame(bytes(125), 0x89)
        for _ in range(2000):
            writer.write(ping * 50)
            await writer.drain()
    return 100_000


async def guesses(port: int) -> int:
    """Hellos of the right form, followed by audio or by an auth that proves nothing."""
    from q2d2_stream.protocol import Call, Role, Session
    from tests.labs.call import endpoint

    async def guess(number: int) -> None:
        session = Session(endpoint(os.urandom(8).hex()), Role.CLIENT, 0.0, call=Call())
        hello = b"".join(frame(message) for message in session.data_to_send())
        auth = bytes([Kind.AUTH]) + os.urandom(16)
        after = auth if number % 2 else b""
        await throw(port, hello, frame(after), b"".join(frame(audio(n)) for n in range(9)))

    for first in range(0, 20, 4):
        await asyncio.gather(*(guess(first + number) for number in range(4)))
    return 20


ATTACKS: dict[str, Callable[[int], Awaitable[int]]] = {
    attack.__name__: attack for attack in (strangers, oversized, slow, pings, guesses)
}


async def main() -> None:
    """Run the attack that the command line names."""
    print(await ATTACKS[sys.argv[2]](int(sys.argv[1])))


if __name__ == "__main__":
    asyncio.run(main())
