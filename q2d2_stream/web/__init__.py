"""The browser client, served: the built page and the models, on the port of the websocket.

The page itself is TypeScript in ``web/``; ``make web`` builds it into ``q2d2_stream/web/page``.
"""

from __future__ import annotations

from q2d2_stream.web.answer import Answer, Site
from q2d2_stream.web.files import WebFile, built_files
from q2d2_stream.web.origin import is_same_origin, names_this_machine

__all__ = [
    "Answer",
    "Site",
    "WebFile",
    "built_files",
    "call_site",
    "is_same_origin",
    "names_this_machine",
    "relay_site",
]

# Those that a link may name: with TLS, or on this machine.
_RELAYS = ("wss:", "ws://127.0.0.1:*", "ws://localhost:*")


def call_site(*, needs_secret: bool) -> Site:
    """The page of a listener for calls; raises InputError where it was not built."""
    return Site(built_files(), {"serves": "call", "needs_secret": needs_secret})


def relay_site() -> Site:
    """The page of a relay; raises InputError where it was not built.

    It may connect to any relay, as a room's link may name others, to which its people go when this
    one stops.
    """
    return Site(built_files(), {"serves": "rooms"}, _RELAYS)
