"""Two pseudo terminals joined by a line of a baud rate, which may lose and change bytes."""

from __future__ import annotations

import asyncio
import os
import pty
import random
import time
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["SerialLine", "serial_line"]

_CATCH_UP_S = 0.05  # a busy machine looks so seldom


class SerialLine:
    """The line; devices are ``names[0]`` and ``names[1]``.

    A pseudo terminal takes bytes at any speed, so the line itself keeps to the baud rate.
    """

    def __init__(self, baud: int, lost: float, flipped: float, *, is_half_duplex: bool) -> None:
        self.names: list[str] = []
        self.carried = [0, 0]
        self.collisions = 0
        self._byte_s = 10 / baud
        self._damage = lost, flipped
        self._is_half_duplex = is_half_duplex
        self._dice = random.Random(7)
        self._masters: list[int] = []
        self._slaves: list[int] = []
        self._busy_until = [0.0, 0.0]
        for _ in range(2):
            master, slave = pty.openpty()
            tty.setraw(master)
            tty.setraw(slave)
            os.set_blocking(master, False)
            self._masters.append(master)
            self._slaves.append(slave)
            self.names.append(os.ttyname(slave))

    async def run(self) -> None:
        await asyncio.gather(self._carry(0), self._carry(1))

    async def _carry(self, side: int) -> None:
        free_at = time.monotonic()
        while True:
            await asyncio.sleep(0.002)
            now = time.monotonic()
            free_at = max(free_at, now - _CATCH_UP_S)
            room = int((now - free_at) / self._byte_s)
            try:
                data = os.read(self._masters[side], room) if room else b""
            except BlockingIOError:
                continue
            if not data:
                continue
            free_at += len(data) * self._byte_s
            self._busy_until[side] = free_at
            self.carried[side] += len(data)
            if self._is_half_duplex and self._busy_until[1 - side] >= now - _CATCH_UP_S:
                self.collisions += 1
                continue
            os.write(self._masters[1 - side], self._damaged(data))

    def _damaged(self, data: bytes) -> bytes:
        lost, flipped = self._damage
        out = bytearray()
        for byte in data:
            if self._dice.random() < lost:
                continue
            flip = self._dice.random() < flipped
            out.append(byte ^ 1 << self._dice.randrange(8) if flip else byte)
        return bytes(out)

    def close(self) -> None:
        for descriptor in (*self._masters, *self._slaves):
            os.close(descriptor)


@asynccontextmanager
async def serial_line(
    baud: int, *, lost: float = 0.0, flipped: float = 0.0, is_half_duplex: bool = False
) -> AsyncIterator[SerialLine]:
    """A line that runs while the block lasts."""
    line = SerialLine(baud, lost, flipped, is_half_duplex=is_half_duplex)
    task = asyncio.create_task(line.run())
    try:
        yield line
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        line.close()
