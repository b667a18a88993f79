"""Rooms for programs: a bot, an intercom, a recorder that listens.

async with q2d2_stream.join("https://relay.example/#k=...", name="robot") as room:
    await room.send(pcm)
    async for pcm in room:      # everybody who talks, mixed
        ...
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from q2d2_stream.audio import Sink, Source
from q2d2_stream.call.live import Transport, check_transport, loaded, options_of
from q2d2_stream.call.live_call import LiveCall
from q2d2_stream.call.room_call import RoomCall
from q2d2_stream.config import Rate
from q2d2_stream.engine import Codec
from q2d2_stream.rooms import RoomLink
from q2d2_stream.transport.tls import client_context

__all__ = ["LiveRoom", "join"]


class LiveRoom(LiveCall):
    """A place in a room. As a call: what is sent, everybody there hears; iterate over it for what
    they say, mixed.

    Attributes:
        link: to the room, for others.
    """

    def __init__(self, link: RoomLink, make: Callable[[Source, Sink], RoomCall]) -> None:
        rooms: list[RoomCall] = []

        def keep(source: Source, sink: Sink) -> RoomCall:
            rooms.append(make(source, sink))
            return rooms[0]

        super().__init__(keep)
        self.link = link
        (self._room,) = rooms

    @property
    def members(self) -> dict[int, str]:
        """The others by number, and what they call themselves. Numbers hold until the connection
        to the relay is a new one."""
        return self._room.members

    @property
    def talking(self) -> frozenset[int]:
        """Numbers of those who were heard just now."""
        return self._room.talking

    @property
    def fingerprint(self) -> str:
        """Eight digits that are the same for all who hold the same link."""
        return self._room.fingerprint

    def set_gain(self, member: int, gain: float) -> None:
        """How loud a member is here: 0 for not at all, 1 as it comes."""
        self._room.set_gain(member, gain)


@asynccontextmanager
async def join(
    link: RoomLink | str,
    *,
    codec: Codec | Sequence[Codec] | None = None,
    name: str = "",
    bitrate: Rate | str | float | None = None,
    frames_per_message: int = 3,
    transport: Transport = "auto",
    dtx: bool = False,
    ca: Path | str | None = None,
    wait_s: float = 0.0,
    notify: Callable[[str], None] | None = None,
    on_text: Callable[[str], None] | None = None,
) -> AsyncIterator[LiveRoom]:
    """Take a place in a room and hold it within the ``async with`` block.

    At the end of the block the rest of what was sent is said, then this side leaves; an exception
    leaves at once. A relay that goes away is looked for again, for a minute.

    Args:
        link: to the room; ``RoomLink.new("https://relay.example")`` of :mod:`q2d2_stream.rooms`
            makes one to a new room.
        name: how the others shall call this side; may be empty.
        codec, bitrate, frames_per_message, transport, dtx, wait_s, notify: as of
            :func:`q2d2_stream.connect`.
        ca: PEM file with the authority to trust for ``https://``; None for the system's.
        on_text: called with every line of text, after the name of who wrote it; None: ``notify``
            is.

    Raises:
        CallError: the relay cannot be reached, refused, or the room is full.
        InputError: a link, a rate or a name that is no good.
        ModelError: model files that are missing or damaged.
    """
    where = link if isinstance(link, RoomLink) else RoomLink.parse(link)
    check_transport(transport)
    codecs = await loaded(codec)
    options = options_of(codecs, bitrate, dtx)
    context = client_context(ca) if ca is not None else None

    def make(source: Source, sink: Sink) -> RoomCall:
        return RoomCall(
            codecs,
            where,
            source,
            sink,
            options,
            name=name,
            notify=notify,
            on_note=on_text,
            frames_per_message=frames_per_message,
            wait_s=wait_s,
            ssl_context=context,
            udp=transport != "websocket",
            udp_only=transport == "udp",
        )

    room = LiveRoom(where, make)
    try:
        await room.wait_until_on()
        yield room
    except BaseException:
        await room.abandon()
        raise
    await room.finish()
