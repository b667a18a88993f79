"""Receivers who are too slow: the relay sums them up, talkers send longer messages, and no more."""

from __future__ import annotations

import pytest

from q2d2_stream.config import CodecConfig
from q2d2_stream.protocol import Role
from q2d2_stream.relay.room import Outlet, Room
from q2d2_stream.rooms import ReceiversLag
from q2d2_stream.rooms.keys import RoomKeys
from q2d2_stream.rooms.messages import Lagging, decode, encode
from q2d2_stream.sending import RateController, SendState, WebSocketLink
from tests.labs.rooms import MemoryRelay


class Slow(Outlet):
    """A member who loses a share of the audio."""

    def __init__(self, share: float) -> None:
        self.share, self.told = share, []  # type: ignore[var-annotated]

    def losses(self) -> float:
        return self.share

    def forward(self, data: bytes, *, audio: bool) -> None:
        message = decode(data)
        if isinstance(message, Lagging):
            self.told.append(message.percent)


def room_of(*shares: float) -> tuple[Room, list[Slow]]:
    room = Room(b"a relay!", 4, 32)
    outlets = [Slow(share) for share in shares]
    for outlet in outlets:
        room.join(RoomKeys.new_nonce(), outlet)
    return room, outlets


@pytest.mark.parametrize(
    ("shares", "percent"),
    [
        ((0.0, 0.0), None),
        ((0.0, 0.01), None),
        ((0.0, 0.3, 0.1), 30),
        ((0.0, 0.3, 0.9), 30),  # who gets nearly nothing cannot be helped
        ((0.0, 0.9), None),
    ],
)
def test_the_worst_who_can_be_helped_counts(shares: tuple[float, ...], percent: int | None) -> None:
    room, outlets = room_of(*shares)
    told = room.lagging()
    assert told == (None if percent is None else encode(Lagging(percent)))
    assert all(outlet.told == ([] if percent is None else [percent]) for outlet in outlets)


def test_other_relays_hand_it_on() -> None:
    room, outlets = room_of(0.0, 0.0)
    assert not room.receive_from_bus(encode(Lagging(30)), 0.0)
    assert [outlet.told for outlet in outlets] == [[30], [30]]


def test_talkers_hear_of_it() -> None:
    relay = MemoryRelay()
    ann, bob = relay.enter("Ann"), relay.enter("Bob")
    relay.pump(0.5)
    for session in (ann, bob):
        relay.ears[session.member].forward(encode(Lagging(30)), audio=False)
        assert relay.events[session.member][-1] == ReceiversLag(0.3)


def test_messages_get_longer_for_a_while_and_never_worse() -> None:
    config = CodecConfig()
    link = WebSocketLink(Role.CLIENT, tls=True, ipv6=False)
    control = RateController(config, (0, 1, 2, 3), 2, 3, link)
    now = 0.0

    def run(seconds: float) -> tuple[int, int]:
        nonlocal now
        sequence, end = round(75 * now), now + seconds
        while now < end:
            plan = control.update(SendState(0), now)
            control.sent(sequence, 40, now)
            control.echo(sequence, 0.0, now + 0.02)
            sequence += plan.frames_per_message
            now += plan.frames_per_message / 75
        return plan.frames_per_message, plan.rate

    assert run(2.0) == (3, 2)
    control.spare_receivers(now)
    assert run(2.0) == (4, 2)
    for _ in range(20):  # a spiteful member goes on losing
        control.spare_receivers(now)
        frames, rate = run(2.0)
        assert frames <= 6
        assert rate == 2
    assert frames == 6
    assert run(60.0) == (3, 2)
