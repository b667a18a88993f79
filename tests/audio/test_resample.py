from __future__ import annotations

import numpy as np
import pytest
import soxr

from q2d2_stream.audio.resample import StreamResampler, to_mono
from q2d2_stream.errors import InputError
from tests.labs.audio import speech

RATES = [8_000, 16_000, 44_100, 48_000, 96_000]


def run(resampler: StreamResampler, pcm: np.ndarray, blocks: list[int]) -> np.ndarray:
    out, start, turn = [], 0, 0
    while start < len(pcm):
        size = blocks[turn % len(blocks)]
        out.append(resampler.push(pcm[start : start + size]))
        start, turn = start + size, turn + 1
    return np.concatenate(out)


@pytest.mark.parametrize("rate", RATES)
def test_live_result_does_not_depend_on_the_blocks(rate: int) -> None:
    pcm = soxr.resample(speech(1.0), 24_000, rate)
    one = run(StreamResampler(rate, 24_000), pcm, [320])
    other = run(StreamResampler(rate, 24_000), pcm, [1, 64, 777, 5])
    length = min(len(one), len(other))
    np.testing.assert_allclose(one[:length], other[:length], atol=1e-6)


@pytest.mark.parametrize("rate", RATES)
def test_there_and_back_is_the_same_sound_at_the_same_time(rate: int) -> None:
    t = np.arange(24_000) / 24_000
    tone = (0.5 * np.sin(2 * np.pi * 997.0 * t)).astype(np.float32)
    up, down = StreamResampler(24_000, rate), StreamResampler(rate, 24_000)
    back = run(down, run(up, tone, [320]), [256])
    middle = slice(4_000, len(back) - 500)
    basis = np.stack((np.sin(2 * np.pi * 997.0 * t), np.cos(2 * np.pi * 997.0 * t)), 1)[
        : len(back)
    ][middle]
    weights, *_ = np.linalg.lstsq(basis, back[middle], rcond=None)
    error = back[middle] - basis @ weights
    assert 20 * np.log10(np.std(error) / np.std(back[middle])) < -90
    assert np.hypot(*weights) == pytest.approx(0.5, abs=1e-3)
    shift_ms = -1000 * np.arctan2(weights[1], weights[0]) / (2 * np.pi * 997.0)
    assert abs(shift_ms) < 0.25  # so held_ms is all of the delay


@pytest.mark.parametrize(
    ("in_rate", "out_rate", "limit_ms"),
    [(48_000, 24_000, 6), (24_000, 48_000, 11), (44_100, 24_000, 6), (24_000, 44_100, 11)],
)
def test_live_latency(in_rate: int, out_rate: int, limit_ms: float) -> None:
    resampler = StreamResampler(in_rate, out_rate)
    for _ in range(200):
        resampler.push(np.zeros(in_rate // 100, np.float32))
        assert resampler.held_ms >= 0
    assert 1 < resampler.held_ms < limit_ms


@pytest.mark.parametrize("rate", RATES)
def test_file_mode_equals_the_whole_at_once(rate: int) -> None:
    pcm = soxr.resample(speech(1.0), 24_000, rate)
    resampler = StreamResampler(rate, 24_000, "file")
    streamed = np.concatenate(
        [run(resampler, pcm, [1000]), resampler.push(np.zeros(0, np.float32), last=True)]
    )
    np.testing.assert_allclose(streamed, soxr.resample(pcm, rate, 24_000), atol=1e-5)


def test_equal_rates_pass_untouched() -> None:
    pcm = speech(0.1)
    resampler = StreamResampler(24_000, 24_000)
    assert resampler.push(pcm) is pcm
    assert resampler.held_ms == 0


def test_no_sample_is_added_or_lost_over_time() -> None:
    resampler = StreamResampler(44_100, 24_000)
    produced = sum(len(resampler.push(np.zeros(441, np.float32))) for _ in range(6_000))
    assert abs(produced - 60 * 24_000) < 400


def test_impossible_rate_is_refused() -> None:
    with pytest.raises(InputError, match="sample rates are 0 and 24000"):
        StreamResampler(0, 24_000)


def test_to_mono_is_the_mean() -> None:
    block = np.array([[1.0, 0.0], [0.5, 0.5]], np.float32)
    np.testing.assert_array_equal(to_mono(block), [0.5, 0.5])
    assert to_mono(block).dtype == np.float32
