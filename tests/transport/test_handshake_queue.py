"""Turns of handshakes, on a virtual clock."""

from __future__ import annotations

import asyncio
import time

from q2d2_stream.transport.handshake_queue import HandshakeQueue
from q2d2_stream.transport.limits import GuessLimits
from tests.labs.virtual_clock import run

GUESSER, CALLER = "198.51.100.1", "192.0.2.7"


async def guess(queue: HandshakeQueue, host: str, until: float) -> int:
    """Guess wrong again and again; how often."""
    count = 0
    while time.monotonic() < until:
        await queue.auth(host)
        queue.guessed_wrong(host)
        count += 1
    return count


async def seconds_to_get_in(queue: HandshakeQueue, host: str) -> float:
    begin = time.monotonic()
    await queue.auth(host)
    return time.monotonic() - begin


def test_a_caller_waits_for_nobody() -> None:
    async def main() -> None:
        queue = HandshakeQueue(GuessLimits(), lambda sentence: None)
        for _ in range(10):
            assert await seconds_to_get_in(queue, CALLER) == 0.0
        queue.close()

    run(main())


def test_guessers_are_slowed_down_and_a_caller_gets_in_all_the_same() -> None:
    async def main() -> None:
        notes: list[str] = []
        queue = HandshakeQueue(GuessLimits(), notes.append)
        end = time.monotonic() + 180.0
        guessers = [
            asyncio.create_task(guess(queue, f"198.51.100.{address}", end))
            for address in range(3)
            for _ in range(7)
        ]
        waits = []
        while time.monotonic() < end - 5:
            waits.append(await seconds_to_get_in(queue, CALLER))
            await asyncio.sleep(1.0)
        count = sum(await asyncio.gather(*guessers))
        assert count <= 32 + 9 * 180
        assert max(waits) < 1.0
        assert 3 <= len(notes) <= 4
        assert "wrong guesses of the secret from 198.51.100." in notes[-1]
        assert "2 other addresses" in notes[-1]
        queue.close()

    run(main())


def test_who_shares_the_guessers_address_gets_in_too() -> None:
    async def main() -> None:
        queue = HandshakeQueue(GuessLimits(), lambda sentence: None)
        end = time.monotonic() + 60.0
        guessers = [asyncio.create_task(guess(queue, CALLER, end)) for _ in range(7)]
        waits = []
        while time.monotonic() < end - 5:
            waits.append(await seconds_to_get_in(queue, CALLER))
            await asyncio.sleep(1.0)
        await asyncio.gather(*guessers)
        assert sorted(waits)[len(waits) // 2] < 2.0
        queue.close()

    run(main())


def test_who_hangs_up_while_waiting_takes_no_turn() -> None:
    async def main() -> None:
        queue = HandshakeQueue(GuessLimits(per_s=1.0, burst=1.0), lambda sentence: None)
        await queue.auth(GUESSER)
        gone = [asyncio.create_task(queue.auth(GUESSER)) for _ in range(50)]
        await asyncio.sleep(0.1)
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        assert await seconds_to_get_in(queue, CALLER) < 3.0
        queue.close()

    run(main())


def test_wrong_guesses_are_forgotten() -> None:
    async def main() -> None:
        notes: list[str] = []
        queue = HandshakeQueue(GuessLimits(), notes.append)
        await queue.auth(GUESSER)
        queue.guessed_wrong(GUESSER)
        assert notes == [f"1 wrong guess of the secret from {GUESSER}"]
        assert await seconds_to_get_in(queue, GUESSER) > 0.0
        await asyncio.sleep(500.0)
        assert await seconds_to_get_in(queue, GUESSER) == 0.0
        assert len(notes) == 1
        queue.close()

    run(main())


def test_hellos_have_turns_of_their_own() -> None:
    async def main() -> None:
        queue = HandshakeQueue(GuessLimits(), lambda sentence: None)
        end = time.monotonic() + 30.0

        async def greet() -> int:
            count = 0
            while time.monotonic() < end:
                await queue.hello(GUESSER)
                count += 1
            return count

        flood = [asyncio.create_task(greet()) for _ in range(30)]
        waits = []
        while time.monotonic() < end - 3:
            begin = time.monotonic()
            await queue.hello(CALLER)
            await queue.auth(CALLER)
            waits.append(time.monotonic() - begin)
            await asyncio.sleep(0.5)
        assert sum(await asyncio.gather(*flood)) <= 100 + 50 * 31
        assert max(waits) < 0.2
        queue.close()

    run(main())
