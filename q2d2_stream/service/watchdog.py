"""Tells systemd that a call is alive: not merely this process, but its sound."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType

from q2d2_stream.service.notifier import Notifier

__all__ = ["Watchdog"]


class Watchdog:
    """Reports from within the event loop, as long as the loop runs and, in a call, sound flows.

    Both are needed: a hung loop cannot report at all, and a codec or a sound thread that hangs
    leaves the loop idle and content. A sink takes frames in real time even while its device is
    gone, so frames that stand still mean that something hangs.

    Args:
        notifier: to systemd.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._task: asyncio.Task[None] | None = None
        self._talking = False
        self._frames = 0

    def observe(self, talking: bool, frames: int) -> None:
        """How it stands: whether a call is on, and how many frames the loudspeaker has taken."""
        self._talking, self._frames = talking, frames

    async def __aenter__(self) -> Watchdog:
        if self._notifier.watchdog_s is not None:
            # Twice within the limit, as sd_watchdog_enabled(3) asks.
            self._task = asyncio.create_task(self._report(self._notifier.watchdog_s / 2))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _report(self, pause_s: float) -> None:
        before = -1
        while True:
            if not self._talking or self._frames != before:
                self._notifier.alive()
            before = self._frames
            await asyncio.sleep(pause_s)
