"""Which web pages may connect: those that this listener serves, and no others.

A browser sends ``Origin`` with a websocket's handshake, and no page can change it. ``Host`` is the
name that the browser connected to. A page that was served here has the same in both.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

__all__ = ["is_same_origin", "names_this_machine"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_same_origin(origin: str, host: str) -> bool:
    """Whether a page's ``Origin`` is the ``Host`` that it connects to.

    Schemes are not compared: a proxy that does TLS hides them.
    """
    try:
        page = urlsplit(origin)
        port = page.port or _DEFAULT_PORTS[page.scheme]
        there = urlsplit(f"//{host}")
        return bool(
            page.hostname
            and page.hostname == there.hostname
            and port == (there.port or _DEFAULT_PORTS[page.scheme])
            and not (page.path or page.query or page.fragment or page.username)
            and not (there.path or there.query or there.fragment or there.username)
        )
    except (ValueError, KeyError):
        return False


def names_this_machine(host: str) -> bool:
    """Whether a ``Host`` is a number or this machine's own name.

    Any other name may belong to somebody who made it point here for a page of theirs.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        own = socket.gethostname().lower()
        return name in (own, own.partition(".")[0], f"{own.partition('.')[0]}.local")
    return True
