"""The clock that tests of calls run on."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.labs.virtual_clock import run


def test_sleeping_takes_no_time_and_is_exact() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began, seen = loop.time(), time.monotonic()
        await asyncio.gather(asyncio.sleep(3600.0), asyncio.sleep(1800.0))
        return loop.time() - began, time.monotonic() - seen

    real = time.monotonic()
    assert run(main(), 4000.0) == pytest.approx((3600.0, 3600.0), abs=0.01)
    assert time.monotonic() - real < 1800.0


def test_a_thread_that_computes_takes_no_time_either() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        late = loop.call_later(0.001, pytest.fail, "the clock went on while a thread worked")
        await asyncio.to_thread(time.sleep, 0.2)
        late.cancel()
        return loop.time() - began

    assert run(main()) == pytest.approx(0.0, abs=0.001)


def test_a_thread_that_the_loop_does_not_know_is_waited_for() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()

        def compute() -> None:
            total = sum(number * number for number in range(2_000_000))
            loop.call_soon_threadsafe(done.set_result, total)

        began = loop.time()
        late = loop.call_later(0.001, pytest.fail, "the clock went on while a thread worked")
        threading.Thread(target=compute).start()
        await done
        late.cancel()
        return loop.time() - began

    assert run(main()) == pytest.approx(0.0, abs=0.001)


def test_sockets_are_as_fast_as_the_clock_needs() -> None:
    async def main() -> float:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(16):
                await asyncio.sleep(1.0)
                writer.write(data)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        began = asyncio.get_running_loop().time()
        for _ in range(50):
            writer.write(b"?")
            assert await reader.read(16) == b"?"
        took = asyncio.get_running_loop().time() - began
        writer.close()
        server.close()
        return took

    assert run(main()) == pytest.approx(50.0, abs=0.01)


def test_what_never_ends_is_ended() -> None:
    with pytest.raises(TimeoutError):
        run(asyncio.sleep(1e9), 100.0)
    assert time.monotonic.__name__ == "monotonic"
