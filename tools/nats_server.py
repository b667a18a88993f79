"""A real nats-server for tests and proofs, which can be killed and started again."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["NatsServer", "free_port"]

_ELSEWHERE = Path("/usr/sbin/nats-server")  # where Debian has it, off the path of users


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class NatsServer:
    """A nats-server on a free port of 127.0.0.1, not started.

    Args:
        log: file for what it writes; None: nobody reads it.
    """

    def __init__(self, log: Path | None = None) -> None:
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._log = log or Path("/dev/null")
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str | None:
        """Why it cannot be run; None where it can."""
        found = shutil.which("nats-server") or _ELSEWHERE.exists()
        return None if found else "nats-server is not installed (Debian: nats-server)"

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = shutil.which("nats-server") or str(_ELSEWHERE)
        command = [program, "-a", "127.0.0.1", "-p", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(500):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.1):
                return
            time.sleep(0.02)
        raise TimeoutError("nats-server does not answer")

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Within the block it runs, unless it is killed there."""
        self.start()
        try:
            yield
        finally:
            self.kill()
