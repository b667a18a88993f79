"""Target delay, drift, comfort noise and the pull clock, each on its own."""

from __future__ import annotations

import numpy as np
import pytest

from q2d2_stream.errors import InputError
from q2d2_stream.playout.clock import PullClock
from q2d2_stream.playout.comfort import ComfortNoise
from q2d2_stream.playout.delay import DelayEstimator
from q2d2_stream.playout.drift import DriftEstimator
from q2d2_stream.playout.stats import DelayHistogram

FRAME_S = 320 / 24_000


def feed(estimator: DelayEstimator, jitter_ms: float, seconds: float, start_s: float = 0.0) -> None:
    """Messages of one frame each, uniform jitter, in order."""
    random = np.random.default_rng(0)
    arrival = 0.0
    for n in range(int(start_s / FRAME_S), int((start_s + seconds) / FRAME_S)):
        arrival = max(arrival, n * FRAME_S + 5.0 + 1e-3 * jitter_ms * random.random())
        estimator.put(n, 1, arrival)


@pytest.mark.parametrize("jitter_ms", [0, 20, 50, 100, 200])
def test_target_covers_jitter_and_little_more(jitter_ms: float) -> None:
    estimator = DelayEstimator(FRAME_S)
    feed(estimator, jitter_ms, 20)
    target_ms = 1e3 * estimator.target_s
    assert max(20.0, 0.85 * jitter_ms) <= target_ms <= max(40.0, jitter_ms + 25)


def test_target_rises_fast_and_forgets_within_ten_seconds() -> None:
    estimator = DelayEstimator(FRAME_S)
    feed(estimator, 5, 30)
    feed(estimator, 400, 2.5, 30)
    risen = estimator.target_s
    assert risen > 0.3
    feed(estimator, 5, 4, 32.5)
    assert estimator.target_s > 0.8 * risen
    feed(estimator, 5, 6, 36.5)
    assert estimator.target_s < 0.05


def test_what_is_rare_is_worth_a_small_delay_and_no_large_one() -> None:
    for hold_s, least, most in ((0.07, 0.06, 0.09), (0.4, 0.09, 0.13)):
        estimator = DelayEstimator(FRAME_S)
        for n in range(3000):
            # one message a second is held up, and none behind it
            estimator.put(n, 1, n * FRAME_S + (hold_s if n % 75 == 0 else 0.0))
        assert least < estimator.target_s < most


def test_a_copy_is_waited_for_while_copies_make_good() -> None:
    estimator = DelayEstimator(FRAME_S)
    feed(estimator, 5, 10)
    before = estimator.target_s
    estimator.repaired(3, 15.0)
    assert estimator.target_s == pytest.approx(before + 3 * FRAME_S)
    feed(estimator, 5, 6, 10)
    assert estimator.target_s == pytest.approx(before + 3 * FRAME_S, abs=0.005)
    feed(estimator, 5, 6, 16)
    assert estimator.target_s == pytest.approx(before, abs=0.005)


def test_packetisation_is_part_of_the_target() -> None:
    estimator = DelayEstimator(FRAME_S)
    for n in range(100):
        estimator.put(8 * n + 7, 8, (8 * n + 8) * FRAME_S)
    assert estimator.packet_frames == 8
    assert estimator.packetisation_s == pytest.approx(7 * FRAME_S)
    assert estimator.target_s - 7 * FRAME_S == pytest.approx(0.020)


def test_one_stall_is_left_out_and_two_short_ones_are_not() -> None:
    for lengths, expected in (((0.3,), False), ((3.0,), False), ((0.3, 0.3), True)):
        estimator = DelayEstimator(FRAME_S)
        for n in range(1250):
            at = n * FRAME_S
            for number, length in enumerate(lengths):
                begin = 10.0 + 5.0 * number
                if begin <= at < begin + length:
                    at = begin + length
            estimator.put(n, 1, at)
        assert (estimator.target_s > 0.1) == expected
        assert estimator.stalls == (lengths == (3.0,))


def test_a_longer_route_does_not_leave_a_longer_target() -> None:
    estimator = DelayEstimator(FRAME_S)
    for n in range(4500):
        estimator.put(n, 1, n * FRAME_S + (0.2 if n > 1500 else 0.0))
    assert estimator.target_s < 0.05
    assert estimator.delay_s(4500, 4500 * FRAME_S + 0.2) == pytest.approx(0.0, abs=1e-6)


def test_preroll_burst_is_no_jitter() -> None:
    estimator = DelayEstimator(FRAME_S)
    for spurt in range(20):
        first = 300 * spurt
        for n in range(first, first + 150):
            at = max(n, first + 8) * FRAME_S
            estimator.put(n, 1, at, start=n == first)
    assert estimator.target_s < 0.05


def test_impossible_bounds() -> None:
    with pytest.raises(InputError, match="50 to 40 ms"):
        DelayEstimator(FRAME_S, minimum_ms=50, maximum_ms=40)


@pytest.mark.parametrize("ppm", [-200.0, -20.0, 0.0, 50.0, 200.0])
def test_drift_through_jitter_route_change_and_stall(ppm: float) -> None:
    drift = DriftEstimator()
    random = np.random.default_rng(2)
    for n in range(15_000):  # ten minutes of 40 ms messages
        sent = n * 0.04
        late = 0.05 * random.exponential() + (0.08 if n > 9_000 else 0.0)
        if 3_000 < n < 3_050:
            late += 2.0
        drift.put(sent * (1 + 1e-6 * ppm), sent + late)
    assert drift.ppm == pytest.approx(ppm, abs=15)
    drift.reset()
    assert drift.ppm == 0.0


def test_comfort_noise_has_the_level_and_spectrum_of_the_background() -> None:
    random = np.random.default_rng(0)
    hiss = np.convolve(random.standard_normal(320 * 700), [0.5, 0.5])[: 320 * 700]
    frames = (3e-3 * hiss).astype(np.float32).reshape(-1, 320)
    noise = ComfortNoise()
    assert np.all(noise.generate(500) == 0)
    assert noise.level_db == -np.inf
    for n, frame in enumerate(frames):
        speech = (0.3 * np.sin(np.arange(320) * 0.05)).astype(np.float32)
        quiet = noise.observe(frame + speech if n % 100 < 60 else frame)
        assert not (quiet and n % 100 < 60 and n > 60)
    made = noise.generate(48_000)
    level = 10 * np.log10(np.mean(frames**2))
    assert 10 * np.log10(np.mean(made**2)) == pytest.approx(level, abs=1.0)
    assert noise.level_db == pytest.approx(level, abs=1.0)
    expected, got = (
        10 * np.log10((np.abs(np.fft.rfft(x[:48_000].reshape(-1, 320))) ** 2).mean(axis=0))
        for x in (frames.reshape(-1), made)
    )
    assert np.abs(expected - got)[2:120].max() < 3.0
    assert np.abs(np.diff(made)).max() < 6 * made.std()


def test_comfort_noise_is_never_loud() -> None:
    noise = ComfortNoise()
    shout = 0.5 * np.random.default_rng(0).standard_normal(320).astype(np.float32)
    for _ in range(200):
        noise.observe(shout)
    assert noise.generate(24_000).std() < 0.025


def test_pull_clock_smooths_and_jumps() -> None:
    clock = PullClock(24_000)
    random = np.random.default_rng(0)
    errors = [
        clock.pull(n * FRAME_S + 0.004 * random.random(), 320) - n * FRAME_S for n in range(1000)
    ]
    assert np.std(errors[200:]) < 2e-4
    assert clock.pull(100.0, 320) == 100.0


def test_delay_histogram() -> None:
    histogram = DelayHistogram()
    assert histogram.quantile_ms(0.5) == 0.0
    for ms in range(101):
        histogram.add(ms / 1e3 + 1e-6)
    histogram.add(1e3)
    histogram.add(-1.0)
    assert histogram.quantile_ms(1.0) == 1e6, "no ceiling"
    assert histogram.quantile_ms(0.5) == 50
    assert histogram.quantile_ms(0.95) == pytest.approx(96, abs=1)
