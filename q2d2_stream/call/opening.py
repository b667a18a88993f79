"""Running a new connection until it can be used."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, TypeVar

__all__ = ["run_until_ready"]

T = TypeVar("T")


class _Runs(Protocol[T]):
    closed: asyncio.Future[T]

    async def run(self) -> T: ...
    def close(self) -> None: ...


async def run_until_ready(
    connection: _Runs[T], ready: asyncio.Future[Any], tasks: set[asyncio.Task[T]]
) -> T | None:
    """Run ``connection`` in a task of ``tasks``; why it closed, or None once it is ``ready``.

    Where the wait is cancelled the connection is closed.
    """
    task = asyncio.create_task(connection.run())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    try:
        await asyncio.wait((ready, connection.closed), return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        connection.close()
        raise
    return await task if connection.closed.done() else None
