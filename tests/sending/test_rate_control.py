"""Frames per message and rate against simulated links; what messages cost."""

from __future__ import annotations

import statistics
from itertools import pairwise

import pytest

from q2d2_stream.errors import InputError
from q2d2_stream.protocol import ReceiverReport, Role
from q2d2_stream.sending import (
    Link,
    RateController,
    SendState,
    SerialLink,
    UdpLink,
    WebSocketLink,
    WireMeter,
)
from tests.labs.entropy import coder as fitted_coder
from tests.labs.protocol import CONFIG
from tests.labs.reliable_link import FRAME_S, ReliableCall, Talker

LINK = WebSocketLink(Role.CLIENT)
RATES = (0, 1, 2, 3)


def control(rate: int = 2, link: Link = LINK, max_bps: float | None = None) -> RateController:
    return RateController(CONFIG, RATES, rate, 1, link, max_bps=max_bps)


def delivered(talker: Talker, since: float = 0.0) -> float:
    """Share of the frames since ``since`` that arrived."""
    frames = sum(count for at, _, count in talker.delivered if at >= since)
    return frames / (talker.captured - since / FRAME_S)


def delay_ms(talker: Talker, since: float = 0.0) -> float:
    """Median time from the capture of a message's last frame to its arrival."""
    return 1000 * statistics.median(delay for at, delay, _ in talker.delivered if at >= since)


def modes(talker: Talker, since: float = 0.0) -> set[tuple[int, int]]:
    """Frames per message and rate of the plans since ``since``."""
    plans = [plan for at, plan in talker.plans if at >= since]
    return {(plan.frames_per_message, plan.rate) for plan in plans}


def test_a_good_link_gets_one_frame_per_message() -> None:
    call = ReliableCall.over().run(30)
    for talker in (call.a, call.b):
        assert modes(talker) == {(1, 2)}
        assert talker.queue.dropped == 0
        assert delay_ms(talker) < 40


@pytest.mark.parametrize(
    ("bps", "start_bps", "share", "most_ms"),
    [(8000, 7000, 0.98, 420), (12_000, 10_000, 0.985, 320), (16_000, 12_000, 0.99, 230)],
)
def test_thin_links_carry_nearly_all_frames(
    bps: float, start_bps: float, share: float, most_ms: float
) -> None:
    call = ReliableCall.over(bps=bps, start_bps=start_bps).run(60)
    for talker in (call.a, call.b):
        assert delivered(talker) > share
        assert delay_ms(talker) < most_ms
        if bps == 16_000:
            assert {rate for _, rate in modes(talker)} == {2}, "at the wanted rate"


def test_a_link_that_nothing_is_known_of_is_found_out_within_seconds() -> None:
    call = ReliableCall.over(bps=8000).run(40)
    for talker in (call.a, call.b):
        assert delivered(talker) > 0.9
        assert delivered(talker, since=10) > 0.97
        assert delay_ms(talker, since=10) < 450


@pytest.mark.parametrize(
    ("bps", "share", "most_ms"), [(8000, 0.98, 250), (12_000, 0.98, 150), (16_000, 0.98, 120)]
)
def test_a_queue_of_datagrams_is_no_dead_path(bps: float, share: float, most_ms: float) -> None:
    call = ReliableCall.over(bps=bps, start_bps=0.8 * bps, queue_s=1.0).run(60)
    for talker in (call.a, call.b):
        assert any(plan.frames_per_message == 3 for _, plan in talker.plans) or bps == 8000
        assert not talker.doubts
        assert delivered(talker) > share
        assert delay_ms(talker) < most_ms


@pytest.mark.parametrize(("delay_s", "jitter_s"), [(0.02, 0.0), (0.1, 0.05)])
def test_a_dead_path_is_doubted_within_a_second(delay_s: float, jitter_s: float) -> None:
    call = ReliableCall.over(
        delay_s=delay_s, jitter_s=jitter_s, queue_s=1.0, stalls=((20.0, 60.0),)
    ).run(25)
    for talker in (call.a, call.b):
        assert talker.doubts
        assert 20.0 < talker.doubts[0] < 21.0


def test_jitter_is_no_congestion() -> None:
    call = ReliableCall.over(delay_s=0.3, jitter_s=0.2, window_messages=60).run(60)
    for talker in (call.a, call.b):
        assert {rate for _, rate in modes(talker)} == {2}
        assert max(frames for frames, _ in modes(talker)) <= 2
        assert delivered(talker) > 0.98


def test_a_stall_costs_frames_and_no_step() -> None:
    call = ReliableCall.over(stalls=((10, 12),)).run(30)
    for talker in (call.a, call.b):
        assert modes(talker) == {(1, 2)}
        assert talker.queue.dropped > 100
        assert delay_ms(talker, since=13) < 40


def test_loss_under_a_transport_that_repairs_it_costs_no_rate() -> None:
    call = ReliableCall.over(loss=0.1).run(60)
    for talker in (call.a, call.b):
        assert {rate for _, rate in modes(talker)} == {2}
        assert delivered(talker) > 0.98


@pytest.mark.slow
def test_what_a_link_carried_is_remembered_until_it_changes() -> None:
    call = ReliableCall.over(bps=12_000, start_bps=10_000).run(120)
    for talker in (call.a, call.b):
        frames = [plan.frames_per_message for at, plan in talker.plans if at > 30]
        assert sum(a != b for a, b in pairwise(frames)) < 12
    for link in (call.a.out, call.b.out):
        link.bps = 200_000
    call.run(300)
    for talker in (call.a, call.b):
        assert modes(talker, since=415) == {(1, 2)}


@pytest.mark.parametrize("kbps", [8, 16, 32])
def test_a_cap_is_never_exceeded(kbps: float) -> None:
    call = ReliableCall.over(max_bps=1000 * kbps).run(30)
    for talker in (call.a, call.b):
        assert delivered(talker) > 0.97
        for second in range(25):
            window = [bits for at, bits in talker.sent_bits if second <= at < second + 5]
            assert sum(window) <= 5000 * kbps + max(window)


def test_a_line_of_known_speed_is_filled_at_once() -> None:
    for baud, expected in ((9600, 3), (4800, 2), (2400, 0)):
        line = control(rate=3, link=SerialLink(baud))
        plan = line.update(SendState(0), 0.0)
        assert plan.rate == expected
        assert line.wire_bps(plan.frames_per_message, plan.rate) <= baud
        assert not line.update(SendState(0), 1000.0).is_stalled, "there are no echoes"


def test_a_short_hiccup_costs_no_step() -> None:
    link = control()
    for i in range(30):
        plan = link.update(SendState(unsent_frames=12 if i > 10 else 1), i * FRAME_S)
    assert (plan.frames_per_message, plan.rate, link.step) == (1, 2, 0)


def test_drops_come_first() -> None:
    plan = control().update(SendState(unsent_frames=30), 0.0)
    assert plan.drop_frames > 10
    assert (plan.frames_per_message, plan.rate) == (1, 2)


def report(sequence: int, loss: float) -> ReceiverReport:
    return ReceiverReport(sequence, 0, 0, loss, 0.0, 0.0, 0.0)


def test_loss_is_answered_with_copies_where_they_are_of_use() -> None:
    for link, expected in ((UdpLink(), True), (LINK, False), (SerialLink(9600), True)):
        rates = control(link=link)
        assert rates.update(SendState(0), 0.0).copies is isinstance(link, UdpLink)
        rates.report(report(75, 0.0), 0)
        rates.report(report(150, 0.0), 0)
        assert not rates.update(SendState(0), 0.0).copies
        rates.report(report(300, 0.1), 0)
        assert rates.update(SendState(0), 0.1).copies is expected
        for clean in range(4):
            rates.report(report(450 + 150 * clean, 0.0), 0)
            assert rates.update(SendState(0), 0.2).copies is expected
        rates.report(report(1050, 0.0), 0)
        assert not rates.update(SendState(0), 0.3).copies


def test_own_drops_are_no_loss() -> None:
    rates = control(link=UdpLink())
    rates.report(report(75, 0.0), 0)
    rates.report(report(150, 0.0), 0)
    rates.report(report(300, 0.2), 30)
    assert not rates.update(SendState(0), 0.0).copies


def test_only_common_rates_are_used() -> None:
    link = RateController(CONFIG, (0, 2), 1, 8, LINK)
    assert link.update(SendState(0), 0.0).rate == 0
    assert RateController(CONFIG, (1, 2), 0, 8, LINK).update(SendState(0), 0.0).rate == 1
    with pytest.raises(InputError):
        RateController(CONFIG, (), 1, 3, LINK)
    with pytest.raises(InputError):
        RateController(CONFIG, (0,), 0, 17, LINK)
    with pytest.raises(InputError, match="cap"):
        control(max_bps=0)


def test_wire_bits_count_every_header() -> None:
    assert LINK.wire_bits(18) == 8 * (18 + 6 + 52)
    assert WebSocketLink(Role.SERVER).wire_bits(125) == 8 * (125 + 2 + 52)
    assert WebSocketLink(Role.SERVER).wire_bits(126) == 8 * (126 + 4 + 52)
    secure = WebSocketLink(Role.CLIENT, tls=True, tcp_timestamps=False, ipv6=True)
    assert secure.wire_bits(18) == 8 * (18 + 6 + 82)
    assert secure.reversed.sender is Role.SERVER
    assert UdpLink().wire_bits(18) == 8 * (18 + 28)
    assert UdpLink(ipv6=True).wire_bits(18) == 8 * (18 + 48)
    assert SerialLink(9600).wire_bits(18) == 10 * (18 + 2)
    assert LINK.acknowledgement_share(10) == pytest.approx(0.6)
    assert LINK.acknowledgement_share(75) == 0


def test_what_a_coded_message_costs_is_known_in_advance() -> None:
    coder = fitted_coder(CONFIG)
    coded = RateController(CONFIG, (0, 1, 2), 2, 1, UdpLink(), coder)
    packed = RateController(CONFIG, (0, 1, 2), 2, 1, UdpLink())
    assert coded.wire_bps(3, 2) == pytest.approx(
        UdpLink().wire_bits(14 + coder.typical_bytes(2, 3) + 2 + coder.typical_bytes(0, 3)) * 25
    ), "datagrams begin with copies"
    for controller in (coded, packed):
        for count in range(2):
            controller.report(ReceiverReport(40 * count, 0, 0, 0.0, 0.0, 0.0, 0.0), 0)
        controller.update(SendState(0), 0.0)
    for rate, frames in ((0, 3), (1, 1), (2, 16)):
        # counter and tag, flags, TOC, and an echo
        message = UdpLink().wire_bits(6 + 2 + 6 + coder.typical_bytes(rate, frames))
        assert coded.wire_bps(frames, rate) == pytest.approx(message * 75 / frames)
        assert coded.wire_bps(frames, rate) <= packed.wire_bps(frames, rate)


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
    meter.count(18, 130.0, UdpLink())
    assert meter.wire_bytes == 500 * 76 + 46
