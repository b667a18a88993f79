"""Whose handshake is answered next, and how long who guessed wrong waits."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from q2d2_stream.protocol.limits import TokenBucket
from q2d2_stream.transport.limiter import network_of
from q2d2_stream.transport.limits import GuessLimits

__all__ = ["HandshakeQueue"]

_MOST_NETWORKS = 1024  # of which wrong guesses are remembered


@dataclass
class _Guesses:
    """Wrong guesses that fade: half of them count no longer after ``forget_s``."""

    forget_s: float
    count: float = 0.0
    at: float = 0.0

    def now(self, now: float) -> float:
        self.count *= 0.5 ** (max(0.0, now - self.at) / self.forget_s)
        self.at = now
        return self.count

    def add(self, now: float) -> None:
        self.count = self.now(now) + 1


class HandshakeQueue:
    """Lets so many handshakes per second through; addresses take turns, and within an address lots
    are drawn, so that whoever shares it with a guesser gets in, too.

    Args:
        limits: how many.
        notify: told of wrong guesses, at most once in ``report_s``.
    """

    def __init__(self, limits: GuessLimits, notify: Callable[[str], None]) -> None:
        self._limits = limits
        self._notify = notify
        now = time.monotonic()
        self._quick = TokenBucket(limits.per_s, limits.burst, now)
        self._slow = TokenBucket(limits.slow_per_s, 1.0, now)
        self._all = _Guesses(limits.forget_s)
        self._of: dict[str, _Guesses] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._turns: deque[str] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._unreported: dict[str, int] = {}
        self._report: asyncio.TimerHandle | None = None

    async def turn(self, host: str) -> None:
        """Wait until the handshake of a peer at ``host`` may be answered."""
        network, now = network_of(host), time.monotonic()
        if (guesses := self._of.get(network)) is not None and (wrong := guesses.now(now)) >= 0.5:
            # doubled by every guess, but a float must not overflow
            doubled = self._limits.delay_s * 2 ** min(wrong - 1, 30.0)
            await asyncio.sleep(min(doubled, self._limits.delay_max_s))
        if not self._waiting and self._take(time.monotonic()):
            return
        future = asyncio.get_running_loop().create_future()
        if network not in self._waiting:
            self._waiting[network] = deque()
            self._turns.append(network)
        self._waiting[network].append(future)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run())
        await future

    def guessed_wrong(self, host: str) -> None:
        """A peer at ``host`` does not know the secret."""
        network, now = network_of(host), time.monotonic()
        self._all.add(now)
        if network not in self._of and len(self._of) >= _MOST_NETWORKS:
            del self._of[min(self._of, key=lambda name: self._of[name].now(now))]
        self._of.setdefault(network, _Guesses(self._limits.forget_s)).add(now)
        if len(self._unreported) < _MOST_NETWORKS or network in self._unreported:
            self._unreported[network] = self._unreported.get(network, 0) + 1
        if self._report is None:
            self._tell()

    def close(self) -> None:
        """Let nobody through any more."""
        if self._pump is not None:
            self._pump.cancel()
        if self._report is not None:
            self._report.cancel()

    def _take(self, now: float) -> bool:
        slow = self._all.now(now) >= self._limits.slow_after
        return (self._slow if slow else self._quick).take(1, now)

    async def _run(self) -> None:
        while self._turns:
            if not self._take(time.monotonic()):
                await asyncio.sleep(0.5 / self._limits.per_s)
                continue
            self._let_one_through()

    def _let_one_through(self) -> None:
        while self._turns:
            network = self._turns.popleft()
            waiting = deque(one for one in self._waiting[network] if not one.done())
            if not waiting:
                del self._waiting[network]
                continue
            chosen = random.choice(waiting)
            chosen.set_result(None)
            waiting.remove(chosen)
            if waiting:
                self._waiting[network] = waiting
                self._turns.append(network)
            else:
                del self._waiting[network]
            return

    def _tell(self) -> None:
        self._report = None
        if not self._unreported:
            return
        count = sum(self._unreported.values())
        most = max(self._unreported, key=lambda name: self._unreported[name])
        others = len(self._unreported) - 1
        self._unreported = {}
        text = f"{count} wrong guess{'es' if count > 1 else ''} of the secret from {most}"
        if others:
            text += f" and {others} other address{'es' if others > 1 else ''}"
        self._notify(text)
        self._report = asyncio.get_running_loop().call_later(self._limits.report_s, self._tell)
