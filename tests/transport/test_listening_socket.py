"""Connections are counted when they are accepted: before TLS, and when no file is left."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from q2d2_stream.call import ConnectionLimits
from q2d2_stream.transport.limiter import ConnectionLimiter
from q2d2_stream.transport.listening_socket import LimitedSocket, listening_sockets
from q2d2_stream.transport.tls import server_context
from tests.labs.call import SECRET, dial, endpoint, listen, make_session, run_in_real_time, until

HALF_A_TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc of Linux")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line) / 1024


@linux
@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl command")
def test_a_thousand_half_open_tls_handshakes_cost_little(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        f" -keyout {key} -out {cert} -subj /CN=localhost"
    )
    subprocess.run(command.split(), check=True, stderr=subprocess.DEVNULL)

    async def main() -> None:
        limits = ConnectionLimits(strangers=64, open_s=2.0)
        async with listen(SECRET, limits=limits, ssl_context=server_context(cert, key)) as listener:
            files, memory = open_files(), resident_mib()
            writers, most = [], 0
            for _ in range(1000):
                _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
                writer.write(HALF_A_TLS_HELLO)
                writers.append(writer)
                assert listener.strangers <= 64
                # this process holds the other ends, too
                most = max(most, open_files() - files - len(writers))
            assert most <= 64 + 8
            assert resident_mib() - memory < 50
            for writer in writers:
                writer.transport.abort()
            await until(lambda: listener.strangers == 0, "the end of the handshakes")

    run_in_real_time(main())


@linux
def test_without_a_file_left_a_connection_is_turned_away_in_a_sentence() -> None:
    async def main() -> None:
        notes: list[str] = []
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with listen(SECRET, notify=notes.append) as listener:
            probe = socket.socket()  # opened before there are no more
            next_file = os.open(os.devnull, os.O_RDONLY)  # numbers may have gaps
            os.close(next_file)
            resource.setrlimit(resource.RLIMIT_NOFILE, (next_file, hard))
            try:
                probe.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(probe, ("127.0.0.1", listener.port))
                with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
                    os.open(os.devnull, os.O_RDONLY)
                assert await loop.sock_recv(probe, 1) == b""
            except ConnectionResetError:
                pass
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                probe.close()
            (note,) = notes
            assert "turned away" in note
            # and the listener listens still
            callee, caller = make_session(listener), make_session(dial(listener.port, SECRET))
            tasks = [asyncio.create_task(side.run()) for side in (callee, caller)]
            await until(lambda: caller.was_established, "a call")
            caller.hang_up()
            await asyncio.gather(*tasks)

    run_in_real_time(main())


def test_who_says_nothing_is_cut_off() -> None:
    async def main() -> None:
        limits = ConnectionLimits(first_bytes_s=0.2)
        async with listen(SECRET, limits=limits) as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await asyncio.wait_for(reader.readexactly(1), 10.0)
            writer.close()
            await until(lambda: listener.strangers == 0, "the place being free")

    run_in_real_time(main())


def test_a_call_takes_no_strangers_place() -> None:
    async def main() -> None:
        limits = ConnectionLimits(strangers=1, first_bytes_s=5.0)
        async with listen(SECRET, limits=limits) as listener:
            callee, caller = make_session(listener), make_session(dial(listener.port, SECRET))
            tasks = [asyncio.create_task(side.run()) for side in (callee, caller)]
            await until(lambda: callee.was_established, "a call")
            assert listener.strangers == 0
            writers = []
            for _ in range(20):
                writers.append((await asyncio.open_connection("127.0.0.1", listener.port))[1])
            await until(lambda: listener.refused >= 19, "the strangers being refused")
            played = callee.stats().playout.played
            await until(lambda: callee.stats().playout.played > played + 20, "the call going on")
            assert callee.stats().connections == 1
            for writer in writers:
                writer.transport.abort()
            caller.hang_up()
            await asyncio.gather(*tasks)

    run_in_real_time(main())


def test_all_addresses_of_a_name_share_a_port() -> None:
    limiter = ConnectionLimiter(ConnectionLimits(), 0.0)
    sockets = listening_sockets("localhost", 0, limiter, lambda sentence: None)
    try:
        assert len({listening.getsockname()[1] for listening in sockets}) == 1
        assert all(isinstance(listening, LimitedSocket) for listening in sockets)
    finally:
        for listening in sockets:
            listening.close()
    with pytest.raises(OSError):  # noqa: PT011 (the resolver's sentence differs by system)
        listening_sockets("no-such-host.invalid", 0, limiter, lambda sentence: None)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("Host: 127.0.0.1", b"101"),
        ("Host: localhost:9000", b"101"),
        ("Host: [::1]:9000", b"101"),
        ("Host: evil.example", b"421"),
        ("Host: 127.0.0.1\r\nOrigin: https://evil.example", b"403"),
        ("Host: 127.0.0.1\r\nOrigin: null", b"403"),
        ("Host: 127.0.0.1\r\nOrigin: http://127.0.0.1", b"403"),
    ],
)
def test_web_pages_are_refused_before_the_websocket_is_open(headers: str, status: bytes) -> None:
    async def main() -> None:
        async with listen(own=endpoint()) as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            request = (
                f"GET / HTTP/1.1\r\n{headers}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            writer.write(request.encode())
            answer = await asyncio.wait_for(reader.readline(), 10.0)
            assert answer.split()[1] == status
            writer.close()

    run_in_real_time(main())
