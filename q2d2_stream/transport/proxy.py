"""Proxies that the environment asks for, and what is wrong with them.

The variables are those of curl and of Python: ``ws_proxy`` or ``wss_proxy``, ``socks_proxy`` or
``all_proxy``, ``https_proxy``, and for plain calls ``http_proxy``, in this order, in lower or upper
case; ``no_proxy`` lists hosts that are called without. A value without a scheme is one of http.
"""

from __future__ import annotations

import os
import urllib.request
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import urlsplit

from q2d2_stream.errors import InputError, MissingExtra
from q2d2_stream.transport.address import Address

__all__ = ["ProxyRoute", "proxy_for"]

_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_PLAIN = ("ws", "socks", "all", "https", "http")
_SECURE = ("wss", "socks", "all", "https")


@dataclass(frozen=True)
class ProxyRoute:
    """A proxy, and where it comes from.

    Attributes:
        url: of the proxy, with its password.
        variable: name of the environment variable; empty where the system's settings say so.
        shown: what to call it in a sentence, without a password.
    """

    url: str = field(repr=False)
    variable: str
    shown: str

    def __str__(self) -> str:
        return f"{self.shown} of {self.variable}" if self.variable else self.shown


def proxy_for(address: Address) -> ProxyRoute | None:
    """The proxy through which the environment wants ``address`` to be called.

    This machine itself is called without.

    Raises:
        InputError: the variable's value is no proxy; the sentence names the variable.
        MissingExtra: a SOCKS proxy without the package for it.
    """
    if address.is_loopback or urllib.request.proxy_bypass(str(address)):
        return None
    found = _setting(_SECURE if address.secure else _PLAIN)
    if found is None:
        return None
    variable, value = found
    url = value if "://" in value else f"http://{value}"
    expected = f"expected {variable or 'the system setting'} as http://host:port, or --no-proxy"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(f"{variable} is no proxy ({error}), {expected}") from error
    if parts.scheme not in _SCHEMES:
        raise InputError(f"{variable} has the scheme {parts.scheme}, {expected}")
    if not parts.hostname or port == 0 or parts.path not in ("", "/") or parts.query:
        raise InputError(f"{variable} names no host and port, {expected}")
    if parts.username is not None and parts.password is None:
        raise InputError(f"{variable} has a user without a password, {expected}")
    try:
        parts.hostname.encode("idna")
    except UnicodeError as error:
        raise InputError(f"{variable} has a host name that cannot be, {expected}") from error
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    route = ProxyRoute(url, variable, f"{parts.scheme}://{host}{f':{port}' if port else ''}")
    if parts.scheme.startswith("socks") and find_spec("python_socks") is None:
        raise MissingExtra("python-socks", "socks", f"the proxy {route}")
    return route


def _setting(names: tuple[str, ...]) -> tuple[str, str] | None:
    """Variable and value of the first proxy that is set."""
    proxies = urllib.request.getproxies()
    for name in names:
        value = proxies.get(name)
        if value:
            if name == "socks" and value.startswith("http://"):
                value = f"socks5h://{value[7:]}"  # as some systems' settings have it
            said = (v for v in (f"{name}_proxy", f"{name.upper()}_PROXY") if os.environ.get(v))
            return next(said, ""), value
    return None
