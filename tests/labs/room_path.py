"""Two ends of a member's datagrams, and a network between them, without sockets or clocks."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from q2d2_stream.rooms.messages import RoomKind
from q2d2_stream.transport.room_path import MEMBER_ECHO_S, RELAY_ECHO_S, RoomPath
from q2d2_stream.transport.udp import Route, UdpEndpoint, UdpHub

__all__ = ["TOKEN", "Network", "Side", "voice"]

TOKEN = b"8 bytes!"
_KEYS = bytes(range(16)), bytes(range(16, 32))
_STEP_S = 0.01


def voice(number: int) -> bytes:
    """A message of audio: its start tells its number."""
    return bytes([RoomKind.VOICE]) + (0x8000 | number).to_bytes(2, "big") + bytes(20)


class _Socket:
    """In place of a :class:`DatagramSocket`."""

    def __init__(self, carry: Callable[[bytes, Any], None]) -> None:
        self._carry = carry

    def send(self, data: bytes, address: Any) -> None:
        self._carry(data, address)

    def close(self) -> None:
        pass


class Side:
    """An owner of a path who keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.again: list[bytes] = []
        self.echoed: list[int] = []
        self.sent: list[int] = []
        self.allows = True

    def may_take(self, size: int, now: float) -> bool:
        return self.allows

    def on_message(self, message: bytes, now: float) -> None:
        self.heard.append(message)

    def on_echo(self, number: int, now: float) -> None:
        self.echoed.append(number)

    def on_sent(self, size: int, now: float) -> None:
        self.sent.append(size)

    def send_again(self, message: bytes) -> None:
        self.again.append(message)


class Network:
    """A member at an address, a relay's hub, and what lies between.

    Attributes:
        loss: share lost, to the relay and to the member.
        kbps_to_member: what the link carries, or None for anything.
        address: the member's.
        to_relay, to_member: all that was sent, with the address it came from or goes to.
    """

    def __init__(self, rtt_s: float = 0.05) -> None:
        self.now = 0.0
        self.loss = [0.0, 0.0]
        self.address = "home"
        self.to_relay: list[tuple[str, bytes]] = []
        self.to_member: list[tuple[str, bytes]] = []
        self._dice = random.Random(3)
        self._half_s = rtt_s / 2
        self.kbps_to_member: float | None = None
        self._free_at = 0.0
        self._under_way: list[tuple[float, Callable[[], None]]] = []
        self.hub = UdpHub()
        self.hub_socket: Any = _Socket(self._from_relay)
        self.member_side, self.relay_side = Side(), Side()
        own: Any = _Socket(self._from_member)
        self._own = Route(own, None)
        far = UdpEndpoint(TOKEN, None, self._own)
        near = self.hub.add(TOKEN)
        self.member = RoomPath(far, self.member_side, *_KEYS, 0.0, echo_s=MEMBER_ECHO_S)
        self.relay = RoomPath(
            near, self.relay_side, *_KEYS[::-1], 0.0, echo_s=RELAY_ECHO_S, follows=True
        )
        far.attach(lambda data, route: self.member.take(data, route, self.now))
        near.attach(lambda data, route: self.relay.take(data, route, self.now))
        self._far = far

    def run(self, seconds: float, each: Callable[[], None] | None = None) -> None:
        """Let time pass; ``each`` is called every 40 ms."""
        for step in range(round(seconds / _STEP_S)):
            self.now += _STEP_S
            due = [entry for entry in self._under_way if entry[0] <= self.now]
            self._under_way = [entry for entry in self._under_way if entry[0] > self.now]
            for _, deliver in due:
                deliver()
            self.member.tick(self.now)
            self.relay.tick(self.now)
            if each is not None and step % 4 == 0:
                each()

    def inject(self, data: bytes, address: str) -> None:
        """A datagram comes to the relay as if from an address."""
        self.hub._on_datagram(data, Route(self.hub_socket, (address, 1)))

    def _from_member(self, data: bytes, _address: Any) -> None:
        address = self.address
        self.to_relay.append((address, data))
        if self._dice.random() >= self.loss[0]:
            self._under_way.append((self.now + self._half_s, lambda: self.inject(data, address)))

    def _from_relay(self, data: bytes, address: tuple[str, int]) -> None:
        self.to_member.append((address[0], data))
        if address[0] == self.address and self._dice.random() >= self.loss[1]:
            if self.kbps_to_member is not None:  # a queue without an end
                bits = 8 * (28 + len(data))
                self._free_at = max(self._free_at, self.now) + bits / 1000 / self.kbps_to_member
            arrives = max(self._free_at, self.now) + self._half_s
            self._under_way.append((arrives, lambda: self._far.take(data, self._own)))
