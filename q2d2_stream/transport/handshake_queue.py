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


class _Turns:
    """Addresses take turns, and within an address lots are drawn, so that whoever shares it with
    an attacker gets in, too.

    Args:
        take: whether there may be a turn now.
        poll_s: how often that is asked.
    """

    def __init__(self, take: Callable[[float], bool], poll_s: float) -> None:
        self._take = take
        self._poll_s = poll_s
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._order: deque[str] = deque()
        self._pump: asyncio.Task[None] | None = None

    async def wait(self, network: str) -> None:
        """Wait for a turn."""
        if not self._waiting and self._take(time.monotonic()):
            return
        future = asyncio.get_running_loop().create_future()
        if network not in self._waiting:
            self._waiting[network] = []
            self._order.append(network)
        self._waiting[network].append(future)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run())
        await future

    def close(self) -> None:
        """There are no more turns."""
        if self._pump is not None:
            self._pump.cancel()

    async def _run(self) -> None:
        while self._order:
            if self._take(time.monotonic()):
                self._give()
            else:
                await asyncio.sleep(self._poll_s)

    def _give(self) -> None:
        while self._order:
            network = self._order.popleft()
            # who has hung up meanwhile takes no turn
            waiting = [one for one in self._waiting.pop(network) if not one.done()]
            if not waiting:
                continue
            waiting.pop(random.randrange(len(waiting))).set_result(None)
            if waiting:
                self._waiting[network] = waiting
                self._order.append(network)
            return


class HandshakeQueue:
    """Lets so many hellos and auths per second through, and slows down who guesses wrong.

    A hello costs a listener 3 ms of processor. An auth costs 5 ms, and is a guess at the secret.

    Args:
        limits: how many.
        notify: told of wrong guesses, at most once in ``report_s``.
    """

    def __init__(self, limits: GuessLimits, notify: Callable[[str], None]) -> None:
        self._limits = limits
        self._notify = notify
        now = time.monotonic()
        hellos = TokenBucket(limits.hellos_per_s, 2 * limits.hellos_per_s, now)
        self._hellos = _Turns(lambda now: hellos.take(1, now), 0.5 / limits.hellos_per_s)
        self._quick = TokenBucket(limits.per_s, limits.burst, now)
        self._slow = TokenBucket(limits.slow_per_s, 1.0, now)
        self._auths = _Turns(self._take_auth, 0.5 / limits.per_s)
        self._all = _Guesses(limits.forget_s)
        self._of: dict[str, _Guesses] = {}
        self._unreported: dict[str, int] = {}
        self._report: asyncio.TimerHandle | None = None

    async def hello(self, host: str) -> None:
        """Wait until the hello of a peer at ``host`` may be answered."""
        await self._hellos.wait(network_of(host))

    async def auth(self, host: str) -> None:
        """Wait until the auth of a peer at ``host`` may be judged."""
        network, now = network_of(host), time.monotonic()
        if (guesses := self._of.get(network)) is not None and (wrong := guesses.now(now)) >= 0.5:
            # doubled by every guess, but a float must not overflow
            doubled = self._limits.delay_s * 2 ** min(wrong - 1, 30.0)
            await asyncio.sleep(min(doubled, self._limits.delay_max_s))
        await self._auths.wait(network)

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
        self._hellos.close()
        self._auths.close()
        if self._report is not None:
            self._report.cancel()

    def _take_auth(self, now: float) -> bool:
        slow = self._all.now(now) >= self._limits.slow_after
        return (self._slow if slow else self._quick).take(1, now)

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
