"""What the listening side shows, so that the other one can call: the whole command, and a QR code
of it."""

from __future__ import annotations

import io
import ipaddress
import shlex
import socket

from q2d2_stream.transport.address import Address

__all__ = ["command_for_the_other_side", "qr_code", "reachable_host"]

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


def qr_code(text: str) -> str:
    """A QR code in lines of half blocks, for a terminal."""
    import segno

    out = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out=out, compact=True, border=2)
    return out.getvalue().rstrip("\n")
