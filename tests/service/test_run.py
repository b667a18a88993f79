"""The service as systemd runs it: ready, alive, callable, and gone when told."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from q2d2_stream.audio import NullSink
from q2d2_stream.call import CallOptions, RoomCall
from q2d2_stream.doctor import Verdict
from q2d2_stream.doctor.network import check_peer
from q2d2_stream.files.file_source import FileSource
from q2d2_stream.rooms import RoomLink
from tests.labs.call import codec, run_in_real_time, speech_file, until
from tests.labs.relay import relay

pytestmark = [
    pytest.mark.net,
    pytest.mark.skipif(sys.platform == "win32", reason="systemd is Linux's"),
]
_PATIENCE_S = 60.0


def _until(condition: Callable[[list[str]], bool], listener: socket.socket) -> list[str]:
    heard: list[str] = []
    listener.settimeout(_PATIENCE_S)
    end = time.monotonic() + _PATIENCE_S
    while not condition(heard):
        assert time.monotonic() < end, heard
        heard.append(listener.recv(4096).decode())
    return heard


def test_a_listening_service(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery")
    secret.chmod(0o600)
    config = tmp_path / "q2d2.toml"
    config.write_text(
        f'listen = "127.0.0.1:0"\nsecret_file = "{secret}"\ninput = "silence"\noutput = "null"\n'
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
        service = subprocess.Popen(
            [sys.executable, "-m", "q2d2_stream", "serve", "--config", str(config)],
            env=os.environ | environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            heard = _until(lambda heard: "READY=1" in heard, systemd)
            port = re.search(r"listening on 127\.0\.0\.1 port (\d+)", " ".join(heard))
            assert port
            assert check_peer(f"127.0.0.1:{port[1]}")[0].verdict is not Verdict.RED
            _until(lambda heard: heard.count("WATCHDOG=1") >= 2, systemd)
            service.send_signal(signal.SIGTERM)
            _until(lambda heard: "STOPPING=1" in heard, systemd)
            assert service.wait(_PATIENCE_S) == 0
        finally:
            service.kill()
            service.communicate()


def test_a_service_that_sits_in_a_room(tmp_path: Path) -> None:
    codec()

    async def main() -> None:
        async with relay() as it:
            link = RoomLink.new(f"http://127.0.0.1:{it.port}")
            (tmp_path / "link").write_text(str(link))
            (tmp_path / "link").chmod(0o600)
            config = tmp_path / "q2d2.toml"
            config.write_text(
                f'room_file = "{tmp_path}/link"\nname = "Door"\ninput = "silence"\n'
                f'output = "{tmp_path}/heard.wav"\n'
            )
            service = subprocess.Popen(
                [sys.executable, "-m", "q2d2_stream", "serve", "--config", str(config)],
                stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            try:
                await until(lambda: it.people == 1, "the service")
                speech_file(tmp_path / "said.wav", 2.0)
                caller = RoomCall(
                    codec(), link, FileSource(tmp_path / "said.wav"), NullSink(),
                    CallOptions(hangup_at_end=True), name="Ann",
                )  # fmt: skip
                call = asyncio.create_task(caller.run())
                await until(lambda: "Door" in caller.members.values(), "the name")
                await call
                await until(lambda: it.people == 1, "Ann's leaving")
                assert service.poll() is None  # it stays
                service.send_signal(signal.SIGTERM)
                _, said = await asyncio.to_thread(service.communicate, timeout=_PATIENCE_S)
                assert service.returncode == 0
                assert "Ann is in the room" in said
                assert "#k=" not in said
            finally:
                service.kill()
        assert soundfile.read(tmp_path / "heard.wav")[0].std() > 0.01

    run_in_real_time(main())
