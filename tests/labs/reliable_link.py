"""A call's two senders over a link that behaves as TCP or as UDP does, in simulated time.

In order and reliable, with a window: what does not fit into it waits in the system, unsent.
Acknowledgements that travel alone take their share of the other direction.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import Call, Role
from q2d2_stream.sending import (
    Dtx,
    Link,
    RateController,
    SendPlan,
    SendQueue,
    SendState,
    UdpLink,
    WebSocketLink,
)
from tests.labs.protocol import CONFIG

Item: TypeAlias = tuple[AudioFrames | None, tuple[int, float] | None]
"""A message, and an echo: sequence number and how long it was held."""

__all__ = ["FRAME_S", "ReliableCall", "ReliableLink", "Talker"]

FRAME_S = CONFIG.frame_ms / 1000
_ECHO_EVERY_S = 0.1
_ECHO_ALONE_S = 0.25
_DELAYED_ACK_S = 0.04


@dataclass
class ReliableLink:
    """One direction. ``bps`` None has no limit; a stall is (from, to) in seconds.

    With ``queue_s`` it is as datagrams see it: no window, and what would wait longer is dropped.
    """

    bps: float | None = None
    delay_s: float = 0.02
    jitter_s: float = 0.0
    stalls: tuple[tuple[float, float], ...] = ()
    window_messages: int = 10
    queue_s: float | None = None
    loss: float = 0.0
    seed: int = 1
    unsent: deque[tuple[Item, int]] = field(default_factory=deque)
    under_way: deque[tuple[float, float, Item]] = field(default_factory=deque)
    bits: int = 0
    _free_at: float = 0.0
    _last: float = 0.0

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)

    def take(self, bits: int, now: float) -> float:
        """Occupies the line; when the last bit has left it."""
        self.bits += bits
        if self.bps is None:
            return now
        self._free_at = max(now, self._free_at) + bits / self.bps
        return self._free_at

    def put(self, item: Item, bits: int, now: float) -> None:
        if self.queue_s is None or self._free_at - now <= self.queue_s:
            self.unsent.append((item, bits))

    @property
    def unsent_bytes(self) -> int:
        return sum(bits for _, bits in self.unsent) // 8

    def run(self, now: float) -> list[Item]:
        """What has arrived by ``now``."""
        self._window(now)
        arrived = []
        while self.under_way and self.under_way[0][0] <= now:
            arrived.append(self.under_way.popleft()[2])
            self._window(now)
        return arrived

    def _window(self, now: float) -> None:
        # an acknowledgement comes back a delay after the arrival
        unacknowledged = len(self.under_way)
        is_open = self.queue_s is not None
        while self.unsent and (is_open or unacknowledged < self.window_messages):
            item, bits = self.unsent.popleft()
            at = self.take(bits, now) + self.delay_s + self._dice.uniform(-1, 1) * self.jitter_s
            while self._dice.random() < self.loss:
                at += 2 * self.delay_s + 0.06
            for begin, end in self.stalls:
                if begin <= at < end:
                    at = end
            self._last = at = max(at, self._last)
            self.under_way.append((at, now, item))
            unacknowledged += 1


class Talker:
    """Encoder, queue and controller of one side."""

    def __init__(
        self,
        out: ReliableLink,
        back: ReliableLink,
        role: Role,
        *,
        rate: int = 2,
        max_bps: float | None = None,
        start_bps: float | None = None,
        link: Link | None = None,
    ) -> None:
        self.out, self.back = out, back
        self.link = link or WebSocketLink(role)
        self.control = RateController(
            CONFIG, (0, 1, 2, 3), rate, 1, self.link, max_bps=max_bps, start_bps=start_bps
        )
        self.queue = SendQueue(Call())
        self.dtx = Dtx(None)
        self.plans: list[tuple[float, SendPlan]] = []
        self.doubts: list[float] = []
        self.sent_bits: list[tuple[float, int]] = []
        self.captured = 0
        self.delivered: list[tuple[float, float, int]] = []  # arrival, delay, frames
        self._rate = rate
        self._newest: tuple[int, float] | None = None
        self._echoed_at = -1.0
        self._echoed = -1
        self._received = self._sent_bits = 0
        self._acknowledge_at: float | None = None

    def step(self, now: float) -> None:
        indices = np.zeros(CONFIG.ladder[self._rate].pairs, np.uint8)
        self.captured += 1
        if self._acknowledge_at is not None and now >= self._acknowledge_at:
            self.out.take(self.link.acknowledgement_bits, now)
            self._acknowledge_at = None
        for frame in self.dtx.push(indices, voiced=True):
            self.queue.push(frame)
        state = SendState(
            unsent_frames=len(self.queue),
            dropped_frames=self.queue.dropped,
            buffered_bytes=self.out.unsent_bytes,
            sent_bits=self._sent_bits,
            received_messages=self._received,
        )
        plan = self.control.update(state, now)
        self._rate = plan.rate
        self.plans.append((now, plan))
        if plan.is_stalled and self.control.doubts_path(now):
            self.doubts.append(now)
        self.queue.drop_oldest(plan.drop_frames)
        self._send(plan, now)
        newest = self._newest
        if newest is not None and now - newest[1] >= _ECHO_ALONE_S and newest[0] != self._echoed:
            self._put(None, self._echo(now), 8 + 6, now)

    def _send(self, plan: SendPlan, now: float) -> None:
        if not plan.may_send:
            return
        for _ in range(2):
            message = self.queue.take(max(plan.frames_per_message, min(len(self.queue), 16)))
            if message is None:
                return
            echo = self._echo(now) if now - self._echoed_at >= _ECHO_EVERY_S else None
            frames, pairs = message.indices.shape
            rate = CONFIG.width_to_rate(pairs)
            size = 8 + rate.packed_bytes(frames) + (5 if echo else 0)
            self._put(message, echo, size, now)

    def _echo(self, now: float) -> tuple[int, float] | None:
        if self._newest is None:
            return None
        self._echoed_at, self._echoed = now, self._newest[0]
        return self._newest[0], now - self._newest[1]

    def _put(
        self, message: AudioFrames | None, echo: tuple[int, float] | None, size: int, now: float
    ) -> None:
        self.out.put((message, echo), self.link.wire_bits(size), now)
        self._acknowledge_at = None
        if message is not None:
            self.control.sent(message.sequence, size, now)
        self.sent_bits.append((now, self.link.wire_bits(size)))
        self._sent_bits += self.link.wire_bits(size)

    def receive(self, item: Item, now: float, sender: Talker) -> None:
        message, echo = item
        self._received += 1
        if self._acknowledge_at is None:
            self._acknowledge_at = now + _DELAYED_ACK_S
        if message is not None:
            captured_s = (message.timestamp + 1) * FRAME_S
            sender.delivered.append((now, now - captured_s, len(message.indices)))
            self._newest = (message.sequence, now)
        if echo is not None:
            self.control.echo(echo[0], echo[1], now)


class ReliableCall:
    """Both sides, frame by frame."""

    def __init__(self, a: Talker, b: Talker) -> None:
        self.a, self.b = a, b
        self.now = 0.0

    @classmethod
    def over(
        cls,
        *,
        rate: int = 2,
        max_bps: float | None = None,
        start_bps: float | None = None,
        **link: Any,
    ) -> ReliableCall:
        """Over two links that are alike; ``link`` as of :class:`ReliableLink`."""
        there, back = ReliableLink(**link), ReliableLink(**{"seed": 2, **link})

        def talker(out: ReliableLink, back: ReliableLink, role: Role) -> Talker:
            own = UdpLink() if out.queue_s is not None else None
            return Talker(
                out, back, role, rate=rate, max_bps=max_bps, start_bps=start_bps, link=own
            )

        return cls(talker(there, back, Role.CLIENT), talker(back, there, Role.SERVER))

    def run(self, seconds: float) -> ReliableCall:
        end = self.now + seconds
        while self.now < end:
            self.now += FRAME_S
            for talker in (self.a, self.b):
                talker.step(self.now)
            for sender, receiver in ((self.a, self.b), (self.b, self.a)):
                for item in sender.out.run(self.now):
                    receiver.receive(item, self.now, sender)
        return self
