"""The thread that the codec runs on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["CodecThread"]

T = TypeVar("T")


class CodecThread:
    """Runs the codec's work, one job at a time, beside the event loop.

    onnxruntime and numpy let go of Python's lock while they compute, so the event loop goes on.
    One thread, not two: its jobs need no locks among themselves, and a small machine has other
    work for its cores.

    Attributes:
        busy_s: seconds that it has worked, waiting for a processor included.
    """

    def __init__(self) -> None:
        self.busy_s = 0.0
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="q2d2-codec")

    async def run(self, job: Callable[..., T], *arguments: object) -> T:
        """Run ``job(*arguments)`` after the jobs before it; returns or raises what it does."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._timed, job, *arguments)

    def _timed(self, job: Callable[..., T], *arguments: object) -> T:
        began = time.monotonic()
        try:
            return job(*arguments)
        finally:
            self.busy_s += time.monotonic() - began

    def close(self) -> None:
        """Wait for the last job and end the thread."""
        self._executor.shutdown()
