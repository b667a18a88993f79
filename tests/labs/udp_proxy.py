"""Datagrams through a proxy that loses them, beside a TCP proxy at the same port."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.labs.call import TcpProxy

__all__ = ["UdpProxy", "both_proxies"]


class UdpProxy:
    """Stands between a caller and a listener.

    Attributes:
        loss: share of the datagrams that is lost, to the listener and to the caller.
        passed: datagrams that got through, in all.
        packets: all that came to the listener's side, kept.
    """

    def __init__(self, port: int) -> None:
        self.loss = [0.0, 0.0]
        self.passed = 0
        self.packets: list[bytes] = []
        self._to = port
        self._dice = random.Random(5)
        self._near: asyncio.DatagramTransport | None = None
        self._far: dict[Any, asyncio.DatagramTransport] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, port: int) -> None:
        """Listen at ``port``."""
        self._near = await _open(self._from_caller, local_addr=("127.0.0.1", port))

    def close(self) -> None:
        """Close all sockets."""
        for transport in (self._near, *self._far.values()):
            if transport is not None:
                transport.close()

    def _from_caller(self, data: bytes, address: Any) -> None:
        self.packets.append(data)
        if self._dice.random() >= self.loss[0]:
            task = asyncio.ensure_future(self._forward(data, address))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, data: bytes, address: Any) -> None:
        if address not in self._far:
            self._far[address] = await _open(
                lambda answer, _: self._to_caller(answer, address),
                remote_addr=("127.0.0.1", self._to),
            )
        self.passed += 1
        self._far[address].sendto(data)

    def _to_caller(self, data: bytes, address: Any) -> None:
        if self._near is not None and self._dice.random() >= self.loss[1]:
            self.passed += 1
            self._near.sendto(data, address)


async def _open(handler: Any, **where: Any) -> asyncio.DatagramTransport:
    class Protocol(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            handler(data, addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Protocol, **where)
    return transport


@asynccontextmanager
async def both_proxies(port: int) -> AsyncIterator[tuple[TcpProxy, UdpProxy]]:
    """Proxies of a listener's TCP and UDP, at one port."""
    async with TcpProxy(port) as tcp:
        udp = UdpProxy(port)
        await udp.open(tcp.port)
        try:
            yield tcp, udp
        finally:
            udp.close()
