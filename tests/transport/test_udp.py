"""Datagrams on this machine's loopback: who is heard, who is answered."""

from __future__ import annotations

import asyncio
import socket

from q2d2_stream.transport.udp import Route, UdpEndpoint, UdpHub, connect_udp
from tests.labs.call import free_port, run, until

TOKEN = b"8 bytes!"


class Side:
    """Keeps what comes."""

    def __init__(self, endpoint: UdpEndpoint) -> None:
        self.endpoint = endpoint
        self.got: list[bytes] = []
        self.route: Route | None = None
        endpoint.attach(self.take)

    def take(self, data: bytes, route: Route) -> None:
        self.got.append(data)
        self.route = route


def test_a_probe_with_the_token_opens_the_way_back() -> None:
    async def call() -> None:
        port = free_port()
        hub = UdpHub()
        await hub.open("127.0.0.1", port)
        server = Side(hub.add(TOKEN))
        client = Side(await connect_udp("127.0.0.1", port, TOKEN))
        try:
            assert not server.endpoint.can_probe
            server.endpoint.send(b"\x80 too early")
            client.endpoint.send(b"\x80 unknown address")
            await until(lambda: hub.strangers == 1, "a datagram of a stranger")
            client.endpoint.send_probe(b"\xc0 probe")
            await until(lambda: server.got, "a probe")
            assert server.got == [b"\xc0 probe"]
            assert server.route is not None
            assert server.endpoint.admit(server.route)
            server.endpoint.send(b"\x80 not proved yet")
            server.route.send(b"\xc0 answer")
            server.endpoint.send_probe(b"\xc0 own probe")
            await until(lambda: len(client.got) == 2, "answer and probe")
            assert client.got == [b"\xc0 answer", b"\xc0 own probe"]
            server.endpoint.prove(server.route)
            server.endpoint.send(b"\x80 audio")
            client.endpoint.send(b"\x80 audio back")
            await until(lambda: len(client.got) == 3 and len(server.got) == 2, "audio")
            server.endpoint.close()
            client.endpoint.send_probe(b"\xc0 probe")
            await until(lambda: hub.strangers == 2, "a probe of a path that is over")
            assert len(server.got) == 2
        finally:
            client.endpoint.close()
            hub.close()

    run(call())


def test_strangers_are_not_answered() -> None:
    async def call() -> None:
        port = free_port()
        hub = UdpHub()
        await hub.open("127.0.0.1", port)
        server = Side(hub.add(TOKEN))
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stranger.setblocking(False)
        stranger.connect(("127.0.0.1", port))
        try:
            for data in (b"", b"\0", b"\0wrong...x", b"\x80abc", b"\x01Q2D2", b"x" * 1400):
                stranger.send(data)
            await until(lambda: hub.strangers == 5, "what a stranger sent")
            await asyncio.sleep(0.05)
            assert server.got == []
            try:
                answer = stranger.recv(100)
            except BlockingIOError:
                answer = None
            assert answer is None
        finally:
            stranger.close()
            hub.close()

    run(call())
