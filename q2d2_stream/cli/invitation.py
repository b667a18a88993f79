"""What the listening side shows, so that the other one can call: the whole command, and a QR code
of it."""

from __future__ import annotations

import io
import ipaddress
import shlex
import socket
from urllib.parse import quote, urlsplit

from q2d2_stream.errors import InputError
from q2d2_stream.transport.address import Address, is_loopback_host

__all__ = [
    "command_for_the_other_side",
    "is_secure_link",
    "link_for_browsers",
    "qr_code",
    "reachable_host",
    "web_host",
]

# Addresses for documentation (RFC 5737, RFC 3849): a datagram socket is pointed there to learn
# which address of this machine it would send from. Nothing is sent.
_OUTSIDE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


def reachable_host(host: str) -> str:
    """``host``, or where it stands for all addresses the one that others reach this machine at."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_OUTSIDE[family], 9))
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()


def command_for_the_other_side(code: str, address: Address, port: int, *, tls: bool = False) -> str:
    """The command that calls a listener on ``address`` with a code."""
    scheme = "wss://" if tls else ""
    there = Address(reachable_host(address.host), port)
    return f"q2d2 call {shlex.quote(f'{scheme}{code}@{there}')}"


def link_for_browsers(
    web_address: str | None, address: Address, port: int, code: str | None, *, tls: bool
) -> str:
    """The link that opens the page of a listener, with the code where no server sees it.

    Args:
        web_address: as the user gave it; None for the listener's own address.
        address: that it listens on.
        port: that it listens on.
        code: of the call; None where there is none, or the secret is the user's own.
        tls: whether the listener does TLS itself.
    """
    own = f"{'https' if tls else 'http'}://{Address(reachable_host(address.host), port)}"
    fragment = "" if code is None else f"#c={quote(code)}"
    return f"{(web_address or own).rstrip('/')}/{fragment}"


def is_secure_link(link: str) -> bool:
    """Whether browsers take what a link opens for safe enough to speak to."""
    parts = urlsplit(link)
    return parts.scheme == "https" or is_loopback_host(parts.netloc)


def web_host(web_address: str | None) -> str | None:
    """The host, with its port, of ``https://HOST[:PORT]``; None of None.

    Raises InputError for what is none.
    """
    if web_address is None:
        return None
    parts = urlsplit(web_address)
    if (
        parts.scheme not in ("https", "http")
        or not parts.hostname
        or parts.username is not None
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
    ):
        raise InputError(f"--web-address is {web_address!r}, expected https://HOST[:PORT]")
    return parts.netloc


def qr_code(text: str) -> str:
    """A QR code in lines of half blocks, for a terminal."""
    import segno

    out = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out=out, compact=True, border=2)
    return out.getvalue().rstrip("\n")
