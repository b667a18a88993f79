"""A listening socket that asks a limiter before asyncio learns of a connection."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from q2d2_stream.transport.limiter import ConnectionLimiter, Place

__all__ = ["BACKLOG", "LimitedSocket", "listening_sockets"]

BACKLOG = 1024
"""Connections that may wait in the system to be accepted; asyncio wants to be told, too."""

_MOST_REFUSED = 64  # before the event loop goes on with other work
_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class _Accepted(socket.socket):
    """An accepted connection, whose place is given up when it is closed, however that comes."""

    on_close: Callable[[], None] | None = None

    def close(self) -> None:
        """Close, and give up the place."""
        super().close()
        if self.on_close is not None:
            self.on_close()
            self.on_close = None


class LimitedSocket(socket.socket):
    """Accepts only what the limiter admits; the rest is closed at once, before it costs memory.

    asyncio's selector loop calls :meth:`accept`. (Windows' default loop does not: there
    connections are counted when they are made, after TLS.)

    Args:
        family: of addresses.
        limiter: gives places.
        on_error: told in a sentence what went wrong.

    Attributes:
        places: of the connections that are open, by the peer's address.
    """

    def __init__(
        self,
        family: socket.AddressFamily,
        limiter: ConnectionLimiter,
        on_error: Callable[[str], None],
    ) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self.places: dict[tuple[str, int], Place] = {}
        self._limiter = limiter
        self._on_error = on_error
        # Given up for a moment when the process has no file left, so that what waits to be
        # accepted can be turned away instead of keeping the loop busy.
        self._reserve = os.open(os.devnull, os.O_RDONLY)

    def close(self) -> None:
        """Close the socket and what it holds in reserve."""
        if self._reserve >= 0:
            os.close(self._reserve)
            self._reserve = -1
        super().close()

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        """The next connection that has a place; BlockingIOError when there is none."""
        for _ in range(_MOST_REFUSED):
            try:
                accepted, address = super().accept()
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    raise
                self._turn_away(error)
                continue
            connection = _Accepted(fileno=accepted.detach())
            if self._admit(connection, (str(address[0]), int(address[1]))):
                return connection, address
            connection.close()
        raise BlockingIOError  # calls that are on have their turn; what waits is still there

    def _admit(self, connection: _Accepted, peer: tuple[str, int]) -> bool:
        place = self._limiter.admit(
            peer[0],
            partial(_cut, connection),
            has_spoken=_has_bytes(connection),
            now=time.monotonic(),
        )
        if place is None:
            return False

        def forget() -> None:
            self._limiter.leave(place)
            if self.places.get(peer) is place:
                del self.places[peer]

        self.places[peer] = place
        connection.on_close = forget
        return True

    def _turn_away(self, error: OSError) -> None:
        """No file is left: close one connection unseen, and let a stranger go."""
        self._on_error(
            f"a connection was turned away ({error.strerror}): this process may not open more files"
        )
        self._limiter.drop_one()
        os.close(self._reserve)
        try:
            with suppress(BlockingIOError):
                super().accept()[0].close()
        finally:
            self._reserve = os.open(os.devnull, os.O_RDONLY)


def _cut(connection: socket.socket) -> None:
    """End a connection that asyncio owns; it notices, and closes it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _has_bytes(connection: socket.socket) -> bool:
    """Whether something has come; a client that is in earnest speaks at once."""
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | getattr(socket, "MSG_DONTWAIT", 0)))
    except OSError:
        return False


def listening_sockets(
    host: str, port: int, limiter: ConnectionLimiter, on_error: Callable[[str], None]
) -> list[LimitedSocket]:
    """A socket for each address of ``host``, bound to ``port``; 0 chooses one for all of them.

    Raises OSError when there is no such address, or it is in use.
    """
    infos = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE, proto=socket.IPPROTO_TCP
    )
    sockets: list[LimitedSocket] = []
    try:
        for family, address in dict.fromkeys((info[0], info[4]) for info in infos):
            listening = LimitedSocket(family, limiter, on_error)
            sockets.append(listening)
            if os.name == "posix":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind((address[0], port, *address[2:]))
            listening.listen(BACKLOG)
            listening.setblocking(False)
            port = listening.getsockname()[1]
    except OSError:
        for listening in sockets:
            listening.close()
        raise
    return sockets
