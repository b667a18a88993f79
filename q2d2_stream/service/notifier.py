"""What a service tells systemd: a datagram to the socket that $NOTIFY_SOCKET names."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

__all__ = ["Notifier"]


class Notifier:
    """Sends sd_notify(3) messages; does nothing when not started by systemd.

    Args:
        environment: where NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are looked up.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]  # an abstract socket, which is no file
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environment.get("WATCHDOG_USEC", "")
        self._watchdog_s = int(microseconds) / 1e6 if mine and microseconds.isdigit() else None

    @property
    def watchdog_s(self) -> float | None:
        """After how many seconds without :meth:`alive` systemd restarts us; None for never."""
        return self._watchdog_s

    def ready(self) -> None:
        """The service is up."""
        self._send("READY=1")

    def stopping(self) -> None:
        """The service is on its way down."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """The watchdog may wait again."""
        self._send("WATCHDOG=1")

    def status(self, sentence: str) -> None:
        """What ``systemctl status`` shows."""
        self._send(f"STATUS={' '.join(sentence.split())}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
                link.settimeout(1.0)  # a full queue must not stop a call
                link.sendto(message.encode(), self._address)
        except OSError:
            # Nobody listens. If that is systemd's fault its watchdog will show it.
            return
