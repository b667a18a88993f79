"""Where a peer is: ``host:port`` or a websocket address, as a user types it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from q2d2_stream.errors import InputError

__all__ = ["DEFAULT_PORT", "Address", "is_loopback_host", "parse_address", "split_code"]

DEFAULT_PORT = 9000


@dataclass(frozen=True)
class Address:
    """A host and a port.

    Attributes:
        host: name or number, an IPv6 number without its brackets.
        port: 0 to 65535; 0 lets a listener choose.
        secure: whether TLS is asked for (``wss://``).
    """

    host: str
    port: int
    secure: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def uri(self) -> str:
        """The websocket address."""
        return f"{'wss' if self.secure else 'ws'}://{self}/"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can be there."""
        return _is_loopback(self.host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_host(header: str) -> bool:
    """Whether an HTTP request's ``Host`` names this machine; a page whose name was made to point
    here names itself."""
    try:
        return _is_loopback(urlsplit(f"//{header}").hostname or "")
    except ValueError:
        return False


def split_code(text: str) -> tuple[str | None, str]:
    """The secret and the address of ``code@host:port``; None and all of it without a code."""
    scheme, mark, rest = text.rpartition("://")
    code, at, host = rest.rpartition("@")
    return (code if at else None), scheme + mark + host


def parse_address(text: str) -> Address:
    """Read ``host``, ``host:port``, ``[v6]:port``, ``ws://host:port`` or ``wss://host:port``.

    Raises InputError for anything else.
    """
    has_scheme = "://" in text
    expected = "expected host:port, [ipv6]:port, ws://host:port or wss://host:port"
    try:
        parts = urlsplit(text if has_scheme else f"ws://{text}")
        port = parts.port
    except ValueError as error:
        raise InputError(f"{text!r} is not an address ({error}), {expected}") from error
    bare = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username)
    if parts.scheme not in ("ws", "wss") or not parts.hostname or not bare:
        raise InputError(f"{text!r} is not an address, {expected}")
    _check_name(text, parts.hostname)
    return Address(
        parts.hostname, DEFAULT_PORT if port is None else port, secure=parts.scheme == "wss"
    )


def _check_name(text: str, host: str) -> None:
    """Raise InputError for names that no host can have: the resolver would raise UnicodeError."""
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise InputError(
            f"{text!r} is not an address: the name has a part that is empty or longer than 63 "
            "characters, expected host:port"
        ) from error
    # Of the text: some of them are left out where it is taken apart.
    if any(letter.isspace() or not letter.isprintable() for letter in text):
        raise InputError(f"{text!r} is not an address: there is a space in it, expected host:port")
