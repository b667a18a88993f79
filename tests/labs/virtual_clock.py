"""A clock that jumps: what a test waits for takes no time, only what it computes does.

    def test_a_minute_of_silence() -> None:
        run(main())                      # asyncio.run on a VirtualClockLoop

Whenever no task can go on, no other thread of Python works and no socket has news, the clock jumps
to the next timer. Computing takes no time on it (a turn of the loop a microsecond), so that a busy
machine is never late: calls need no margins and no second try. `time.monotonic` shows the same
clock meanwhile.

Not for tests with other processes or sound cards: they live in real time.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["VirtualClockLoop", "busy", "run"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# The kernel hands a loopback packet over before send() returns, but for a very busy machine.
_KERNEL_S = 50e-6
# Timers fire up to a nanosecond early; who then waits for the rest must see the clock go on.
_TURN_S = 1e-6


def _others_work() -> bool:
    """Whether another thread of Python runs, is about to or waits for a disk, as Linux has it."""
    own = threading.get_native_id()
    for thread in threading.enumerate():
        if thread.native_id in (None, own):
            continue
        with suppress(OSError), open(f"/proc/self/task/{thread.native_id}/stat", "rb") as stat:
            if stat.read().rpartition(b")")[2].split(None, 1)[0] in (b"R", b"D"):
                return True
    return False


class _JumpingSelector(selectors.BaseSelector):
    """Polls the real selector; where nothing is ready, time passes at once."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.jobs = 0  # that threads are doing for the loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += _TURN_S
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self.jobs:
            return self._real.select()
        while True:
            time.sleep(_KERNEL_S)
            is_working = _others_work()
            if ready := self._real.select(0):
                return ready
            if not is_working:
                self.now += timeout
                return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop on the jumping clock, which begins at the real one's time."""

    def __init__(self) -> None:
        self._clock = _JumpingSelector(time.monotonic())
        super().__init__(self._clock)

    def time(self) -> float:
        """Seconds on the jumping clock."""
        return self._clock.now

    def hold_up(self, seconds: float) -> None:
        """Let the clock go on while nothing else does."""
        self._clock.now += seconds

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """As asyncio's; the clock stands still until the job is done."""
        future = super().run_in_executor(executor, func, *args)
        self._clock.jobs += 1
        future.add_done_callback(self._job_done)
        return future

    async def shutdown_default_executor(self, *args: Any, **options: Any) -> None:
        """As asyncio's; the clock stands still until its threads have ended."""
        self._clock.jobs += 1
        try:
            await super().shutdown_default_executor(*args, **options)
        finally:
            self._clock.jobs -= 1

    def _job_done(self, _future: asyncio.Future[Any]) -> None:
        self._clock.jobs -= 1


def busy(seconds: float) -> None:
    """Let the clock go on as if the event loop had been held up for so long."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualClockLoop)
    loop.hold_up(seconds)


def run(coroutine: Coroutine[Any, Any, T], limit_s: float = 600.0) -> T:
    """Run ``coroutine`` on the jumping clock, for ``limit_s`` of its seconds at most."""
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        real, time.monotonic = time.monotonic, runner.get_loop().time
        try:
            return runner.run(asyncio.wait_for(coroutine, limit_s))
        finally:
            time.monotonic = real
