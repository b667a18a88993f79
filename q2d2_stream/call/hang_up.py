"""Waiting for something that a user may no longer want, and ending what a call has begun."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import TypeVar

__all__ = ["end_tasks", "unless_set"]

T = TypeVar("T")
U = TypeVar("U")


async def unless_set(stop: asyncio.Event, awaitable: Awaitable[T], otherwise: U) -> T | U:
    """What ``awaitable`` gives, or ``otherwise`` where ``stop`` is set before; it is then
    cancelled."""
    task = asyncio.ensure_future(awaitable)
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else otherwise
    finally:
        stopped.cancel()
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def end_tasks(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for their end; raises what the first of them failed with."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
