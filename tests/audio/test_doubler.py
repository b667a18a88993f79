"""Doubling the sample rate: exact at the samples that were there, faithful between them."""

from __future__ import annotations

import numpy as np
import pytest

from q2d2_stream.audio.doubler import Doubler

DELAY = Doubler.delay_samples


def tone(hertz: float, rate: int, samples: int) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(samples) / rate).astype(np.float32)


def test_every_second_sample_is_one_that_went_in() -> None:
    pcm = np.random.default_rng(0).standard_normal(960).astype(np.float32)
    doubled = Doubler().push(pcm)
    np.testing.assert_array_equal(doubled[::2][DELAY:], pcm[:-DELAY])
    assert not doubled[: 2 * DELAY : 2].any()


@pytest.mark.parametrize("hertz", [100.0, 1_000.0, 4_000.0, 8_000.0])
def test_a_tone_stays_a_tone(hertz: float) -> None:
    doubled = Doubler().push(tone(hertz, 24_000, 2_400))[4 * DELAY :]
    wanted = tone(hertz, 48_000, 4_800)[2 * DELAY : len(doubled) + 2 * DELAY]
    assert np.abs(doubled - wanted).max() < 0.003


def test_blocks_make_no_difference() -> None:
    pcm = np.random.default_rng(1).standard_normal(1_000).astype(np.float32)
    doubler = Doubler()
    pieces = [doubler.push(piece) for piece in np.split(pcm, [1, 3, 240, 241, 700])]
    np.testing.assert_allclose(np.concatenate(pieces), Doubler().push(pcm), atol=1e-6)
