"""Who may stay connected: strangers share a number of places, and the idlest makes room.

Counted where connections are accepted, before TLS and before a byte is parsed. A stranger is
whoever has not finished the call's handshake.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable
from enum import IntEnum

from q2d2_stream.protocol.limits import TokenBucket
from q2d2_stream.transport.limits import ConnectionLimits

__all__ = ["ConnectionLimiter", "Place", "Progress", "network_of"]

_IPV6_PREFIX_BITS = 64  # what one customer has; within it addresses cost nothing


def network_of(host: str) -> str:
    """What counts as one address: an IPv4 address, or 64 bits of an IPv6 one."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_PREFIX_BITS), strict=False))


class Progress(IntEnum):
    """How far a stranger has come; who has done less makes room first."""

    CONNECTED = 0
    SPOKEN = 1  # bytes have come
    OPEN = 2  # the websocket is open


class Place:
    """A stranger's place.

    Args:
        network: whose it is.
        drop: cuts the connection off.

    Attributes:
        progress: how far the stranger has come.
    """

    def __init__(self, network: str, drop: Callable[[], None]) -> None:
        self.network = network
        self.drop = drop
        self.progress = Progress.CONNECTED


class ConnectionLimiter:
    """Gives places to strangers.

    A newcomer always finds one, unless the address it comes from has most of the places already
    and it has not said anything yet. So one address cannot keep the others out, many cannot do it
    by opening connections and saying nothing, and a household behind one address still gets in.

    Args:
        limits: how many places.
        now: seconds, from any monotonic origin.

    Attributes:
        refused: connections that found no place, or lost it to another.
    """

    def __init__(self, limits: ConnectionLimits, now: float) -> None:
        self.refused = 0
        self._limits = limits
        self._places: dict[Place, None] = {}  # the oldest first
        self._refills = TokenBucket(limits.refills_per_s, limits.refills_per_s, now)

    def __len__(self) -> int:
        return len(self._places)

    def admit(
        self, host: str, drop: Callable[[], None], *, has_spoken: bool, now: float
    ) -> Place | None:
        """A place for a connection from ``host``; None when there is none.

        Args:
            host: the peer's address.
            drop: cuts the connection off, when another needs the place.
            has_spoken: whether bytes of it have come already.
            now: seconds.
        """
        place = Place(network_of(host), drop)
        if len(self._places) >= self._limits.strangers:
            self.refused += 1
            victim = self._victim(place.network, has_spoken, now)
            if victim is None:
                return None
            self.leave(victim)
            victim.drop()
        self._places[place] = None
        return place

    def leave(self, place: Place) -> None:
        """The connection is closed, or is a stranger's no longer; again does nothing."""
        self._places.pop(place, None)

    def drop_one(self) -> bool:
        """Make room, for whatever reason; False when there are no strangers."""
        if not self._places:
            return False
        victim = self._idlest(self._heaviest()[0])
        self.leave(victim)
        victim.drop()
        return True

    def _victim(self, network: str, has_spoken: bool, now: float) -> Place | None:
        heaviest, counts = self._heaviest()
        if counts[network] >= counts[heaviest]:
            heaviest = network
            if not has_spoken or not self._refills.take(1, now):
                return None
        return self._idlest(heaviest)

    def _heaviest(self) -> tuple[str, Counter[str]]:
        counts = Counter(place.network for place in self._places)
        top = max(counts.values())
        # of several, the one with the place that has been held idle for longest
        candidates = [place for place in self._places if counts[place.network] == top]
        return min(candidates, key=lambda place: place.progress).network, counts

    def _idlest(self, network: str) -> Place:
        """The one of a network that has done least; of several, the oldest."""
        return min(
            (place for place in self._places if place.network == network),
            key=lambda place: place.progress,
        )
