"""What a relay lets members and strangers do."""

from __future__ import annotations

from dataclasses import dataclass, field

from q2d2_stream.errors import InputError
from q2d2_stream.rooms.messages import MAX_MEMBERS
from q2d2_stream.transport.limits import ConnectionLimits

__all__ = ["RelayLimits"]


@dataclass(frozen=True)
class RelayLimits:
    """Bounds of one relay process.

    Attributes:
        strangers: connections that were not let into a room yet.
        people: members at once, in all rooms.
        joins_per_s, joins_burst: who comes in from one address; all others are told of each.
        people_per_address: members from one address: all who sit behind one router.
        behind_proxy: an address is that which a proxy before this relay puts last in
            ``X-Forwarded-For``. Without a proxy anybody could invent one.
        rooms: rooms at once.
        rooms_per_address: rooms that people from one address are in.
        members: people in a room, those of other relays too.
        speakers: how many of a room are forwarded at once.
        message_bytes: the longest message.
        messages_per_s, messages_burst: of one member; a talker makes 25 to 75 a second.
        bytes_per_s, bytes_burst: of one member.
        backlog_messages: messages kept for a member who reads slowly; older ones are dropped.
        backlog_bytes: bytes in the connection of a member above which it counts as slow.
        join_s: seconds for the handshake.
        ping_s: seconds between the websocket's pings; one that is not answered in twice that ends
            the connection.
        drain_s: seconds that members have to go elsewhere when the relay stops.
    """

    strangers: ConnectionLimits = field(default_factory=lambda: ConnectionLimits(strangers=256))
    people: int = 4096
    joins_per_s: float = 2.0
    joins_burst: float = 64.0
    people_per_address: int = 64
    behind_proxy: bool = False
    rooms: int = 1024
    rooms_per_address: int = 16
    members: int = 32
    speakers: int = 4
    message_bytes: int = 1536
    messages_per_s: float = 120.0
    messages_burst: float = 1200.0
    bytes_per_s: float = 16_384.0
    bytes_burst: float = 262_144.0
    backlog_messages: int = 64
    backlog_bytes: int = 4096
    join_s: float = 5.0
    ping_s: float = 5.0
    drain_s: float = 2.0

    def __post_init__(self) -> None:
        if not 2 <= self.members <= MAX_MEMBERS:
            raise InputError(f"members is {self.members}, expected 2 to {MAX_MEMBERS}")
        if self.speakers < 1:
            raise InputError(f"speakers is {self.speakers}, expected at least 1")
