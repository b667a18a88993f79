"""A serial line's time, and whose turn it is."""

from __future__ import annotations

import pytest

from q2d2_stream.transport.line_pacer import LinePacer


def test_the_device_is_given_no_more_than_the_line_can_send_soon() -> None:
    pacer = LinePacer(9600)
    now, written = 0.0, 0
    while now < 10:
        wait_s = pacer.wait_s(now)
        if wait_s:
            now += wait_s
            continue
        pacer.wrote(24, now)
        written += 24
        assert pacer.unsent_bytes(now) <= 24
    assert written == pytest.approx(9600, abs=60)


def test_an_idle_line_makes_nobody_wait() -> None:
    pacer = LinePacer(9600)
    pacer.wrote(96, 0.0)
    assert pacer.wait_s(0.0) == pytest.approx(0.08)
    assert pacer.unsent_bytes(0.0) == 77
    assert pacer.wait_s(1.0) == 0
    assert pacer.unsent_bytes(1.0) == 0


def test_half_duplex_waits_for_silence_and_then_keeps_its_turn() -> None:
    pacer = LinePacer(9600, turnaround_s=0.1)
    pacer.heard(1.0)
    assert pacer.wait_s(1.02) == pytest.approx(0.08)
    assert pacer.wait_s(1.1) == 0
    pacer.wrote(96, 1.1)
    pacer.heard(1.15)  # both began at once: this side ends what it has begun
    assert pacer.wait_s(1.19) == 0
    assert pacer.wait_s(1.21) == pytest.approx(0.04)
    full = LinePacer(9600)
    full.heard(1.0)
    assert full.wait_s(1.0) == 0
