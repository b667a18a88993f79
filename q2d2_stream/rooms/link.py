"""The link to a room: where its relays are, and the secret that makes its keys.

    https://relay.example/#k=Zm9yIGV2ZXJ5Ym9keSBoZQ&r=https://other.example
                           `- 128 bits, base64url    `- another relay, any number of times

What follows the # is not sent over HTTP. Whoever has the link is in the room.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from q2d2_stream.errors import InputError

__all__ = ["ROOM_SECRET_BYTES", "RoomLink"]

ROOM_SECRET_BYTES = 16
_MAX_RELAYS = 8
_SCHEMES = {"https": "wss", "http": "ws"}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_relay(text: str) -> str:
    """The address of a relay without path, query or fragment; InputError for what is none."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InputError(f"{text!r} is not the address of a relay ({error})") from error
    host = parts.hostname
    if parts.scheme not in _SCHEMES or not host or parts.username is not None or port == 0:
        raise InputError(f"{text!r} is not the address of a relay, expected https://HOST[:PORT]")
    if parts.scheme == "http" and not _is_loopback(host):
        raise InputError(
            f"{text!r} is not encrypted, expected https:// (http:// is for this machine alone): "
            "the relay could be impersonated"
        )
    return urlunsplit((parts.scheme, parts.netloc, "", "", ""))


@dataclass(frozen=True)
class RoomLink:
    """A room, and the relays that it may be held on.

    Attributes:
        secret: 16 random bytes; never shown.
        relays: addresses, ``https://host[:port]``, at least one; the first is tried first.

    Raises InputError for other values.
    """

    secret: bytes = field(repr=False)
    relays: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.secret) != ROOM_SECRET_BYTES:
            raise InputError(
                f"the secret of a room has {len(self.secret)} bytes, expected {ROOM_SECRET_BYTES}"
            )
        if not 1 <= len(self.relays) <= _MAX_RELAYS:
            raise InputError(f"a room has {len(self.relays)} relays, expected 1 to {_MAX_RELAYS}")
        object.__setattr__(self, "relays", tuple(map(_check_relay, self.relays)))

    @classmethod
    def new(cls, *relays: str) -> RoomLink:
        """A new room on some relays."""
        return cls(secrets.token_bytes(ROOM_SECRET_BYTES), relays)

    @classmethod
    def parse(cls, text: str) -> RoomLink:
        """The room of a link; raises InputError, without the secret in it, for anything else."""
        address, _, fragment = text.strip().partition("#")
        fields = parse_qs(fragment)
        try:
            (key,) = fields["k"]
            secret = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
        except (KeyError, ValueError, binascii.Error) as error:
            raise InputError(
                "the link has no key, expected it to end in #k= and 22 characters: copy all of it"
            ) from error
        if len(secret) != ROOM_SECRET_BYTES:
            raise InputError(
                f"the link's key has {len(key)} characters, expected 22: copy all of it"
            )
        return cls(secret, (address, *fields.get("r", ())))

    @classmethod
    def is_link(cls, text: str) -> bool:
        """Whether a text is meant to be a link: a web address with a fragment."""
        return text.strip().startswith(tuple(f"{scheme}://" for scheme in _SCHEMES)) and "#" in text

    def __str__(self) -> str:
        key = base64.urlsafe_b64encode(self.secret).decode().rstrip("=")
        fragment = urlencode([("k", key), *(("r", relay) for relay in self.relays[1:])], safe=":/")
        return f"{self.relays[0]}/#{fragment}"

    def websocket_uris(self) -> list[str]:
        """Where to connect, in the order to try."""
        uris = []
        for relay in self.relays:
            scheme, _, rest = relay.partition("://")
            uris.append(f"{_SCHEMES[scheme]}://{rest}/room")
        return uris
