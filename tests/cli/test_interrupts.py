"""Ctrl-C and SIGTERM reach what is under way, or what begins next."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from q2d2_stream.cli.interrupts import Interrupts

pytestmark = pytest.mark.skipif(os.name != "posix", reason="asyncio handles signals on Unix")


@pytest.fixture(autouse=True)
def _no_nohup() -> Iterator[None]:
    """Under nohup SIGHUP is ignored, and stays so."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


async def _send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_during_a_call(number: signal.Signals) -> None:
    async def run() -> list[str]:
        ended: list[str] = []
        with Interrupts() as interrupts, interrupts.end_with(lambda: ended.append("call")):
            await _send(number)
        return ended

    assert asyncio.run(run()) == ["call"]


def test_between_calls_ends_the_next_one_only() -> None:
    async def run() -> list[str]:
        ended: list[str] = []
        with Interrupts() as interrupts:
            with interrupts.end_with(lambda: ended.append("first")):
                pass
            await _send(signal.SIGINT)
            assert ended == []
            with interrupts.end_with(lambda: ended.append("second")):
                assert ended == ["second"]
            with interrupts.end_with(lambda: ended.append("third")):
                pass
        return ended

    assert asyncio.run(run()) == ["second"]


def test_handlers_are_given_back() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    async def run() -> None:
        before = [signal.getsignal(number) for number in numbers]
        with Interrupts():
            for number, handler in zip(numbers, before, strict=True):
                assert signal.getsignal(number) is not handler
        assert [signal.getsignal(number) for number in numbers] == before

    asyncio.run(run())
