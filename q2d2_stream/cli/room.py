"""Rooms for ``q2d2 call`` and ``q2d2 serve``: links, and a place in a room as settings say."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from q2d2_stream.cli import call_parts
from q2d2_stream.cli.invitation import qr_code
from q2d2_stream.errors import InputError

if TYPE_CHECKING:
    from q2d2_stream.audio import Source
    from q2d2_stream.call import RoomCall
    from q2d2_stream.engine import Codec
    from q2d2_stream.files.recorder import Recorder
    from q2d2_stream.rooms import RoomLink
    from q2d2_stream.settings import CallSettings

__all__ = ["check_room", "is_room", "link_of", "room_of", "show_link"]

# A relay forwards every message to everybody: 40 ms in each cost a third of 13 ms.
_FRAMES_PER_MESSAGE = 3
# Of a call between two: in a room the link says all of this.
_NOT_FOR_ROOMS = ("listen", "secret", "secret_file", "tls_cert", "tls_key")


def is_room(settings: CallSettings) -> bool:
    """Whether the settings are of a room, and not of a call between two."""
    from q2d2_stream.rooms import RoomCode, RoomLink

    peer = settings.peer
    return settings.new_room is not None or (
        peer is not None and (RoomLink.is_link(peer) or RoomCode.is_code(peer))
    )


def check_room(settings: CallSettings) -> None:
    """Raise InputError for settings that make no sense in a room."""
    for name in _NOT_FOR_ROOMS:
        if getattr(settings, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} is not for rooms: the link holds the key")
    if settings.new_room is not None and settings.peer is not None:
        raise InputError("--new-room makes a room, expected no PEER with it")


def link_of(settings: CallSettings) -> RoomLink:
    """The link that was given, that a code leads to, or one to a new room.

    Raises InputError, and CallError for a code that leads nowhere.
    """
    from q2d2_stream.rooms import RoomCode, RoomLink

    if settings.new_room is not None:
        return RoomLink.new(settings.new_room)
    assert settings.peer is not None
    if not RoomCode.is_code(settings.peer):
        return RoomLink.parse(settings.peer)
    from q2d2_stream.call.code_client import link_of_code

    return asyncio.run(link_of_code(RoomCode.parse(settings.peer), _tls(settings)))


def _tls(settings: CallSettings) -> ssl.SSLContext | None:
    from q2d2_stream.transport.tls import client_context

    return client_context(settings.ca) if settings.ca is not None else None


def show_link(link: RoomLink, notify: Callable[[str], None]) -> None:
    """Let the user hand the link on."""
    if sys.stderr.isatty():
        notify(qr_code(str(link)))
    notify(f"the others come with: q2d2 call '{link}'")


def room_of(
    settings: CallSettings,
    codecs: Sequence[Codec],
    link: RoomLink,
    notify: Callable[[str], None],
    *,
    source: Source | None = None,
    recorder: Recorder | None = None,
    hangup_at_end: bool = False,
    begun_s: float | None = None,
    numbered: bool = False,
) -> RoomCall:
    """A place in the room, not taken yet; as :func:`q2d2_stream.cli.call_parts.session_of`."""
    from q2d2_stream.call import RoomCall
    from q2d2_stream.call.sound import make_sink
    from q2d2_stream.netsim import parse_link, simulated

    simulate = None if settings.simulate is None else parse_link(settings.simulate)
    call = RoomCall(
        codecs,
        link,
        source if source is not None else call_parts.source_of(settings, notify),
        make_sink(settings.output, numbered=numbered, notify=notify),
        call_parts.options_of(settings, codecs[0], hangup_at_end),
        name=settings.name or "",
        processor=call_parts.processor_of(settings, notify),
        recorder=recorder,
        notify=notify,
        begun_s=begun_s,
        frames_per_message=max(_FRAMES_PER_MESSAGE, settings.frames_per_message),
        wait_s=settings.wait,
        return_s=settings.hold,
        ssl_context=_tls(settings),
        wrap=simulated(simulate),
        udp=settings.transport != "websocket",
        udp_only=settings.transport == "udp",
    )
    if settings.code:
        call.show_code()
    return call
