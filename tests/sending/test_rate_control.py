"""Frames per message and rate against simulated links; what messages cost."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import pytest

from q2d2_stream.errors import InputError
from q2d2_stream.frames import AudioFrames
from q2d2_stream.packing import pack
from q2d2_stream.protocol import Call, ReceiverReport, Role
from q2d2_stream.protocol.sealing import AUDIO_OVERHEAD_BYTES
from q2d2_stream.sending import Dtx, Link, RateController, SendQueue, SendState, WireMeter
from tests.labs.entropy import coder as fitted_coder
from tests.labs.protocol import CONFIG

LINK = Link(Role.CLIENT)
AUDIO_BYTES = AUDIO_OVERHEAD_BYTES + 2  # flags, TOC
BASE_RTT_S = 0.04


def rate_control(rate: int = 2, frames: int = 3) -> RateController:
    return RateController(CONFIG, (0, 1, 2, 3), rate, frames, LINK)


@dataclass
class Bottleneck:
    """A link of ``bps`` bits per second with a buffer of the system in front of it."""

    bps: float
    buffer_bytes: int = 4000
    queue: deque[tuple[object, int]] = field(default_factory=deque)
    credit: float = 0.0
    stalled: bool = False

    def put(self, item: object, wire_bytes: int) -> None:
        self.queue.append((item, wire_bytes))

    @property
    def application_bytes(self) -> int:
        return max(0, sum(size for _, size in self.queue) - self.buffer_bytes)

    def run(self, seconds: float) -> list[object]:
        if self.stalled:
            return []
        self.credit = min(self.credit + self.bps * seconds / 8, 200.0)
        out = []
        while self.queue and self.queue[0][1] <= self.credit:
            item, size = self.queue.popleft()
            self.credit -= size
            out.append(item)
        return out


class Sender:
    """Encoder, queue, rate_control and pings over a bottleneck, one step per frame."""

    def __init__(self, bps: float, rate: int = 2) -> None:
        self.bottleneck = Bottleneck(bps)
        self.rate_control = rate_control(rate)
        self.call = Call()
        self.queue = SendQueue(self.call)
        self.dtx = Dtx(None)
        self.now = 0.0
        self.delays_ms: list[tuple[float, float]] = []
        self.delivered = 0
        self.paces: list[tuple[float, int, int]] = []
        self._rtt_s: float | None = None
        self._pings: deque[float] = deque()
        self._returning: deque[tuple[float, float]] = deque()
        self._next_ping = 0.0
        self._rate = rate

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self._step()

    def _step(self) -> None:
        self.now += CONFIG.frame_ms / 1000
        if self.now >= self._next_ping:
            self._next_ping = self.now + 2.0
            self._pings.append(self.now)
            self.bottleneck.put(self.now, LINK.wire_bytes(9))
        while self._returning and self._returning[0][0] <= self.now:
            _, sent = self._returning.popleft()
            self._pings.popleft()
            self._rtt_s = self.now - sent
        indices = np.zeros(CONFIG.index_to_rate(self._rate).pairs, np.uint8)
        for frame in self.dtx.push(indices, voiced=True):
            self.queue.push(frame)
        pace = self.rate_control.update(
            SendState(
                unsent_frames=len(self.queue),
                dropped_frames=self.queue.dropped,
                buffered_bytes=self.bottleneck.application_bytes,
                rtt_s=self._rtt_s,
                unanswered_s=self.now - self._pings[0] if self._pings else 0.0,
            ),
            self.now,
        )
        self._rate = pace.rate
        self.paces.append((self.now, pace.frames_per_message, pace.rate))
        self.queue.drop_oldest(pace.drop_frames)
        if pace.may_send:
            message = self.queue.take(pace.frames_per_message)
            if message is not None:
                size = AUDIO_BYTES + len(pack(message.indices, CONFIG))
                self.bottleneck.put(message, LINK.wire_bytes(size))
        for item in self.bottleneck.run(CONFIG.frame_ms / 1000):
            if isinstance(item, AudioFrames):
                captured = (item.timestamp + 1) * CONFIG.frame_ms / 1000
                self.delays_ms.append((self.now, 1000 * (self.now - captured)))
                self.delivered += len(item.indices)
            else:
                assert isinstance(item, float)
                self._returning.append((self.now + BASE_RTT_S, item))

    def worst_delay_ms(self, since: float) -> float:
        return max(delay for at, delay in self.delays_ms if at >= since)


def test_a_good_link_is_left_alone() -> None:
    sender = Sender(100_000)
    sender.run(30)
    assert {pace[1:] for pace in sender.paces} == {(3, 2)}
    assert sender.queue.dropped == 0
    assert sender.worst_delay_ms(0) < 60


def test_a_link_of_8_kbps_gets_fewer_headers_and_a_lower_rate() -> None:
    sender = Sender(8_000, rate=3)
    sender.run(60)
    # frames per message grow before the rate falls, and all of it happens within seconds
    steps = list(dict.fromkeys(pace[1:] for pace in sender.paces if pace[0] < 12))
    assert steps[:4] == [(3, 3), (4, 3), (6, 3), (8, 3)]
    assert (8, 0) in steps
    # nearly all frames came through, none of them old after the first seconds
    assert sender.delivered > 0.9 * 60 * 75
    assert sender.worst_delay_ms(20) < 600
    assert np.median([delay for at, delay in sender.delays_ms if at > 20]) < 150


def test_the_way_back_up_is_slow_and_slower_after_a_failure() -> None:
    sender = Sender(9_500)
    sender.run(240)
    climbs = [
        now
        for (_, *before), (now, *after) in zip(sender.paces, sender.paces[1:], strict=False)
        if (after[1], -after[0]) > (before[1], -before[0])
    ]
    assert 2 <= len(climbs) <= 12
    assert max(np.diff(climbs)) > 16

    sender.bottleneck.bps = 200_000
    sender.run(400)
    assert sender.paces[-1][1:] == (3, 2)


def test_a_stall_drops_the_oldest_frames_and_recovers() -> None:
    sender = Sender(64_000)
    sender.run(10)
    sender.bottleneck.stalled = True
    sender.run(2)
    # what had left before the stall was noticed is stuck; what is dropped is counted
    assert sender.queue.dropped > 30
    assert len(sender.queue) <= 38
    sender.bottleneck.stalled = False
    sender.run(60)
    assert sender.worst_delay_ms(14) < 150
    assert sender.paces[-1][1:] == (3, 2)
    assert sender.delivered + sender.queue.dropped >= sender.call.next_sequence - 8


def test_a_short_hiccup_costs_no_step() -> None:
    link = rate_control()
    for i in range(20):
        pace = link.update(SendState(unsent_frames=12 if i > 10 else 2, rtt_s=0.05), i * 0.0133)
    assert (pace.frames_per_message, pace.rate, link.step) == (3, 2, 0)


def test_drops_come_first() -> None:
    pace = rate_control().update(SendState(unsent_frames=30, rtt_s=0.05), 0.0)
    assert pace.drop_frames > 10
    assert (pace.frames_per_message, pace.rate) == (3, 2)


def report(received: int, lost: int) -> ReceiverReport:
    return ReceiverReport(0, received, lost, 0.0, 0.0, 0.0, 0.0)


def test_loss_counts_once_and_own_drops_do_not() -> None:
    link = rate_control()
    link.update(SendState(0, rtt_s=0.05, report=report(150, 0)), 0.0)
    lossy = report(285, 15)
    for i in range(1, 200):
        link.update(SendState(0, rtt_s=0.05, report=lossy), i * 0.0133)
    assert link.step == 1
    own = report(400, 65)
    link.update(SendState(0, dropped_frames=50, rtt_s=0.05, report=own), 5.0)
    assert link.step == 1


def test_only_common_rates_are_used() -> None:
    link = RateController(CONFIG, (0, 2), 1, 8, LINK)
    assert link.update(SendState(0), 0.0).rate == 0
    assert RateController(CONFIG, (1, 2), 0, 8, LINK).update(SendState(0), 0.0).rate == 1
    with pytest.raises(InputError):
        RateController(CONFIG, (), 1, 3, LINK)
    with pytest.raises(InputError):
        RateController(CONFIG, (0,), 0, 17, LINK)


def test_wire_bytes_count_every_header() -> None:
    assert LINK.wire_bytes(18) == 18 + 6 + 52
    assert Link(Role.SERVER).wire_bytes(125) == 125 + 2 + 52
    assert Link(Role.SERVER).wire_bytes(126) == 126 + 4 + 52
    assert (
        Link(Role.CLIENT, tls=True, tcp_timestamps=False, ipv6=True).wire_bytes(18) == 18 + 6 + 82
    )
    assert AUDIO_BYTES == 8
    assert rate_control().wire_bps(3, 0) == pytest.approx(14_800)


def test_what_a_coded_message_costs_is_known_in_advance() -> None:
    coder = fitted_coder(CONFIG)
    coded = RateController(CONFIG, (0, 1, 2), 2, 1, LINK, coder)
    for rate, frames in ((0, 3), (1, 1), (2, 8)):
        message = LINK.wire_bytes(AUDIO_BYTES + coder.typical_bytes(rate, frames))
        assert coded.wire_bps(frames, rate) == pytest.approx(8 * message * 75 / frames)
        assert coded.wire_bps(frames, rate) <= RateController(
            CONFIG, (0, 1, 2), 2, 1, LINK
        ).wire_bps(frames, rate)


def test_the_meter_shows_codec_and_wire_rates() -> None:
    meter = WireMeter(LINK, 100.0)
    for i in range(500):
        meter.count(18, 100.0 + i * 0.04)
        meter.count_payload(6, 60, 100.0 + i * 0.04)
    codec, wire = meter.kbps(120.0)
    assert codec == pytest.approx(1.2, rel=0.02)
    assert wire == pytest.approx(15.2, rel=0.02)
    assert meter.kbps(200.0) == (0.0, 0.0)
    assert meter.total_kbps(120.0) == pytest.approx((1.2, 15.2, 1.5))
    assert meter.wire_bytes == 500 * 76
