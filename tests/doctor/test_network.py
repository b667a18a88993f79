"""Reaching a peer: one that listens, one that refuses, one that is something else."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from q2d2_stream.doctor import Verdict
from q2d2_stream.doctor.network import check_peer

pytestmark = pytest.mark.net


@contextmanager
def _listener() -> Iterator[int]:
    """A websocket server in a thread of its own; yields its port."""
    started, stop = threading.Event(), threading.Event()
    ports: list[int] = []

    async def wait(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async def run() -> None:
        async with serve(wait, "127.0.0.1", 0) as server:
            ports.append(next(iter(server.sockets)).getsockname()[1])
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    started.wait(10)
    try:
        yield ports[0]
    finally:
        stop.set()
        thread.join()


def test_a_listening_peer_is_green() -> None:
    with _listener() as port:
        (finding,) = check_peer(f"127.0.0.1:{port}")
    assert finding.verdict is Verdict.GREEN
    assert finding.facts["tcp_ms"] >= 0
    assert finding.facts["websocket_ms"] > 0


def test_nobody_there_is_red() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        (finding,) = check_peer(f"127.0.0.1:{unused.getsockname()[1]}")
    assert finding.verdict is Verdict.RED
    assert "refuses" in finding.text


def test_another_service_is_red() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                connection.sendall(b"220 mail.example.org\r\n")
                connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        (finding,) = check_peer(f"127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert finding.verdict is Verdict.RED
    assert "no q2d2-stream" in finding.text


def test_a_wrong_address_is_red() -> None:
    (finding,) = check_peer("http://host/path")
    assert finding.verdict is Verdict.RED
    assert "not an address" in finding.text


def test_a_name_that_does_not_exist_is_red() -> None:
    (finding,) = check_peer("nowhere.invalid:9000")
    assert finding.verdict is Verdict.RED
