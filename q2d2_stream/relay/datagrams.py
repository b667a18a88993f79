"""The relay's UDP port: a way beside the websocket for every member who asks for one."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Sequence

from q2d2_stream.relay.member import MemberConnection
from q2d2_stream.rooms.path_messages import KEY_BYTES, TOKEN_BYTES, PathOffer
from q2d2_stream.transport.room_path import RELAY_ECHO_S, RoomPath
from q2d2_stream.transport.udp import Route, UdpHub

__all__ = ["DatagramPort"]

# Datagrams of hundreds of members wait in one socket while the event loop does something else.
_BUFFER_BYTES = 1 << 20
_COUNTED = ("forged", "replayed", "malformed", "copies", "failures")


class DatagramPort:
    """Makes the ways and counts; one at most for each member, so nothing here grows with what
    strangers send.

    Attributes:
        port: where it listens, and what members are told.
    """

    def __init__(self) -> None:
        self.port = 0
        self._hub = UdpHub(_BUFFER_BYTES)
        self._members: set[MemberConnection] = set()
        self._past: Counter[str] = Counter()  # of who has left

    async def open(self, addresses: Sequence[tuple[str, int]]) -> None:
        """Listen. Raises OSError when a port is taken."""
        try:
            for host, port in addresses:
                await self._hub.open(host, port)
            self.port = self._hub.port
        except OSError:
            self._hub.close()
            raise

    @property
    def people(self) -> int:
        """Members to whom audio goes by UDP now."""
        return sum(path.carries_audio for path in self._paths())

    @property
    def strangers(self) -> int:
        """Datagrams that belonged to nobody; they were not answered."""
        return self._hub.strangers

    @property
    def dropped(self) -> int:
        """Datagrams that the system did not take."""
        return self._hub.dropped

    def counts(self) -> dict[str, int]:
        """What all ways counted, those that are gone too; the names are of :class:`RoomPath`."""
        ways = self._paths()
        return {
            name: self._past[name] + sum(int(getattr(path, name)) for path in ways)
            for name in _COUNTED
        }

    def offer(self, member: MemberConnection, now: float) -> PathOffer:
        """A way for a member, in place of one that it may have."""
        self.close_path(member)
        offer = PathOffer(
            self.port,
            secrets.token_bytes(TOKEN_BYTES),
            secrets.token_bytes(KEY_BYTES),
            secrets.token_bytes(KEY_BYTES),
        )
        endpoint = self._hub.add(offer.token)
        path = RoomPath(
            endpoint,
            member,
            offer.relay_key,
            offer.member_key,
            now,
            echo_s=RELAY_ECHO_S,
            follows=True,
        )

        def take(data: bytes, route: Route) -> None:
            path.take(data, route, time.monotonic())

        endpoint.attach(take)
        member.path = path
        self._members.add(member)
        return offer

    def close_path(self, member: MemberConnection) -> None:
        """A member has gone, or asks anew."""
        path, member.path = member.path, None
        if path is None:
            return
        self._members.discard(member)
        self._past.update({name: getattr(path, name) for name in _COUNTED})
        path.close()

    def tick(self, now: float) -> None:
        """Time has passed."""
        for path in self._paths():
            path.tick(now)

    def close(self) -> None:
        """Stop listening."""
        self._hub.close()

    def _paths(self) -> list[RoomPath]:
        return [member.path for member in self._members if member.path is not None]
