"""Time-stretching keeps pitch and spectrum, makes no clicks, and only takes good places."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from q2d2_stream.playout.stretch import MAX_LAG_SAMPLES, accelerate, expand
from tests.labs.playout import speech, voice

Pcm = NDArray[np.float32]


def accelerated(pcm: Pcm) -> Pcm:
    blocks = pcm[: len(pcm) // 640 * 640].reshape(-1, 640)
    # Every fourth block: 15 % at most, as the playout does it.
    return np.concatenate([accelerate(b) if n % 4 == 0 else b for n, b in enumerate(blocks)])


def expanded(pcm: Pcm) -> Pcm:
    frames = pcm[: len(pcm) // 320 * 320].reshape(-1, 320)
    pieces = [frames[0]]
    for n in range(1, len(frames)):
        piece = expand(frames[n - 1], frames[n]) if n % 8 == 0 else frames[n]
        pieces.append(piece)
    return np.concatenate(pieces)


def pitch(pcm: Pcm) -> float:
    """Median F0 in Hz of the well-voiced 40 ms frames, by autocorrelation."""
    found = []
    for start in range(0, len(pcm) - 960, 480):
        frame = pcm[start : start + 960] * np.hanning(960)
        correlation = np.fft.irfft(np.abs(np.fft.rfft(frame, 2048)) ** 2)[:400]
        correlation /= np.correlate(np.hanning(960), np.hanning(960), "full")[959:1359]
        if correlation[0] < 1e-6:
            continue
        lag = 60 + int(np.argmax(correlation[60:400]))
        if correlation[lag] > 0.8 * correlation[0]:
            found.append(24_000 / lag)
    assert len(found) > 10
    return float(np.median(found))


def spectrum_db(pcm: Pcm) -> NDArray[np.float64]:
    """Long-term spectrum in bands of 375 Hz."""
    frames = np.lib.stride_tricks.sliding_window_view(pcm, 640)[::80] * np.hanning(640)
    power = (np.abs(np.fft.rfft(frames)) ** 2).mean(axis=0)[:320]
    return np.asarray(10 * np.log10(power.reshape(32, 10).mean(axis=1) + 1e-12))


def roughest(pcm: Pcm) -> float:
    """The largest second difference: a click is a corner."""
    return float(np.abs(np.diff(pcm, 2)).max())


@pytest.mark.parametrize("pcm", [voice(), speech(0), speech(1), speech(2)])
@pytest.mark.parametrize(("change", "sign"), [(accelerated, -1), (expanded, 1)])
def test_pitch_spectrum_and_no_clicks(pcm: Pcm, change: Callable[[Pcm], Pcm], sign: int) -> None:
    out = change(pcm)
    ratio = len(out) / len(pcm) - 1
    assert 0.01 < sign * ratio < 0.16
    # Voiced places are stretched and others are not, so a clip's balance moves a little.
    assert pitch(out) == pytest.approx(pitch(pcm), rel=0.03)
    loud = spectrum_db(pcm) > spectrum_db(pcm).max() - 50
    difference = np.abs(spectrum_db(out) - spectrum_db(pcm))[loud]
    assert difference.mean() < 0.5
    assert difference.max() < 1.5
    assert roughest(out) <= 1.05 * roughest(pcm)
    assert out.dtype == np.float32


def test_a_splice_is_no_rougher_than_what_is_around_it() -> None:
    pcm = speech(1)
    spliced = 0
    for block in pcm[: len(pcm) // 640 * 640].reshape(-1, 640):
        shorter = accelerate(block)
        spliced += shorter is not block
        assert roughest(shorter) <= 1.1 * roughest(block)
    for start in range(320, len(pcm) - 320, 320):
        history, frame = pcm[start - 320 : start], pcm[start : start + 320]
        longer = np.concatenate((history, expand(history, frame)))
        spliced += len(longer) > 640
        assert roughest(longer) <= 1.1 * roughest(np.concatenate((history, frame)))
    assert spliced > 50


@pytest.mark.parametrize("period", [75, 120, 200, 311])
def test_periodic_signal_stays_periodic(period: int) -> None:
    wave = np.sin(2 * np.pi * np.arange(1280) / period) + 0.5 * np.sin(
        4 * np.pi * np.arange(1280) / period + 1
    )
    pcm = (0.3 * wave).astype(np.float32)
    shorter = accelerate(pcm[:640])
    removed = 640 - len(shorter)
    assert removed % period == 0
    assert removed > 0
    assert np.allclose(shorter, pcm[: len(shorter)], atol=2e-3)
    longer = expand(pcm[:320], pcm[320:640])
    assert (len(longer) - 320) % period == 0
    assert len(longer) > 320
    assert np.allclose(longer, pcm[320 : 320 + len(longer)], atol=2e-3)


def test_noise_is_left_alone_unless_quiet() -> None:
    noise = np.random.default_rng(0).standard_normal(64_000).astype(np.float32)
    loud = noise[:640]
    assert accelerate(loud) is loud
    frame = noise[640:960]
    assert expand(noise[320:640], frame) is frame
    blocks = noise.reshape(-1, 640)
    shorter = np.concatenate([accelerate(block, quiet=True) for block in blocks])
    longer = np.concatenate([expand(b[:320], b[320:], quiet=True) for b in blocks])
    assert len(shorter) == len(blocks) * (640 - MAX_LAG_SAMPLES)
    assert len(longer) == len(blocks) * (320 + MAX_LAG_SAMPLES)
    # Equal power: no dip in level where unrelated noise is cross-faded.
    assert shorter.std() == pytest.approx(1.0, rel=0.02)
    assert longer.std() == pytest.approx(1.0, rel=0.02)


def test_silence() -> None:
    silence = np.zeros(640, np.float32)
    assert np.all(accelerate(silence, quiet=True) == 0)
    assert accelerate(silence) is silence
    half = silence[:320]
    assert expand(half, half) is half
