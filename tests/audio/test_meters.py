from __future__ import annotations

import numpy as np
import pytest

from q2d2_stream.audio.meters import LevelMeter, Mute


def sine(seconds: float, amplitude: float = 1.0) -> np.ndarray:
    t = np.arange(round(seconds * 24_000)) / 24_000
    return (amplitude * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)


def push(meter: LevelMeter, pcm: np.ndarray) -> None:
    for start in range(0, len(pcm), 320):
        meter.push(pcm[start : start + 320])


def test_levels_of_a_sine() -> None:
    meter = LevelMeter()
    push(meter, sine(3.0, 0.5))
    assert meter.rms_db == pytest.approx(-9.03, abs=0.05)
    assert meter.peak_db == pytest.approx(-6.02, abs=0.05)
    assert meter.clipped_samples == 0


def test_silence_is_the_floor() -> None:
    meter = LevelMeter()
    assert meter.rms_db == meter.peak_db == -90
    meter.push(np.zeros(320, np.float32))
    meter.push(np.zeros(0, np.float32))
    assert meter.rms_db == meter.peak_db == -90


def test_peak_falls_by_twenty_db_per_second_and_rms_faster() -> None:
    meter = LevelMeter()
    push(meter, sine(1.0))
    push(meter, np.zeros(12_000, np.float32))
    assert meter.peak_db == pytest.approx(-10, abs=0.5)
    assert meter.rms_db == pytest.approx(-3 - 10 * np.log10(np.e) * 0.5 / 0.3, abs=0.5)


def test_clipping_is_counted() -> None:
    meter = LevelMeter()
    meter.push(np.array([1.0, -1.5, 0.5], np.float32))
    assert meter.clipped_samples == 2


def test_mute_fades_and_holds() -> None:
    mute = Mute()
    ones = np.ones(320, np.float32)
    assert mute.apply(ones) is ones
    mute.on = True
    fading = mute.apply(ones)
    assert fading[0] == 1
    assert fading[-1] == 0
    assert np.all(np.diff(fading) < 0)
    assert not mute.apply(ones).any()
    mute.on = False
    rising = mute.apply(ones)
    assert rising[0] == 0
    assert rising[-1] == 1
    assert mute.apply(ones) is ones
    assert ones.all()  # the caller's frame is left alone


def test_muted_from_the_start() -> None:
    assert not Mute(on=True).apply(np.ones(320, np.float32)).any()
