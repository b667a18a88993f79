"""What systemd hears: readiness, status, and signs of life only while there is life."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from q2d2_stream.service import Notifier, Watchdog
from tests.labs.virtual_clock import busy, run


class _Systemd:
    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "100000"}

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[_Systemd]:
    """A socket like systemd's."""
    listener = _Systemd(tmp_path / "notify")
    yield listener
    listener.close()


def test_messages(systemd: _Systemd) -> None:
    notifier = Notifier(systemd.environment)
    notifier.ready()
    notifier.status("two\nlines")
    notifier.stopping()
    assert systemd.heard() == ["READY=1", "STATUS=two lines", "STOPPING=1"]


def test_abstract_socket() -> None:
    name = f"q2d2-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert listener.recv(100) == b"READY=1"


def test_without_systemd_nothing_happens(tmp_path: Path) -> None:
    notifier = Notifier({})
    notifier.ready()
    assert notifier.watchdog_s is None
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()


def test_another_process_s_watchdog_is_not_ours() -> None:
    assert Notifier({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}).watchdog_s is None
    own = {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}
    assert Notifier(own).watchdog_s == 2.0


def _signs(systemd: _Systemd, *, talking: bool, flowing: bool, blocked: bool = False) -> int:
    async def main() -> int:
        async with Watchdog(Notifier(systemd.environment)) as watchdog:
            watchdog.observe(talking, 1)
            await asyncio.sleep(0.12)
            systemd.heard()
            for frames in range(2, 10):
                watchdog.observe(talking, frames if flowing else 1)
                if blocked:
                    busy(0.05)
                else:
                    await asyncio.sleep(0.05)
            return systemd.heard().count("WATCHDOG=1")

    return run(main())


def test_signs_of_life_while_waiting_and_while_sound_flows(systemd: _Systemd) -> None:
    assert _signs(systemd, talking=False, flowing=False) >= 3
    assert _signs(systemd, talking=True, flowing=True) >= 3


def test_none_when_sound_stands_still_or_the_loop_does(systemd: _Systemd) -> None:
    assert _signs(systemd, talking=True, flowing=False) == 0
    assert _signs(systemd, talking=False, flowing=False, blocked=True) == 0
