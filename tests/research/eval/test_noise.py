"""Speech in noise: at the ratio asked for, the same for every codec; bad input in a sentence."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.errors import InputError
from research.eval.__main__ import main
from research.eval.noise import NoiseMix, active_level, parse_snrs


def hiss(seconds: float, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(int(24_000 * seconds))


def signs(samples: int, level: float, pause: int = 0) -> np.ndarray:
    """As loud in every frame as in every sample, then ``pause`` frames of silence."""
    loud = level * np.random.default_rng(1).choice([-1.0, 1.0], samples)
    return np.append(loud, np.zeros(480 * pause)).astype(np.float32)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short, a long and a stereo recording, and one of nothing."""
    folder = tmp_path_factory.mktemp("noise")
    (folder / "more").mkdir()
    soundfile.write(folder / "a.wav", hiss(0.2), 8_000)
    soundfile.write(folder / "more" / "b.flac", hiss(5.0) + 0.3, 24_000)
    soundfile.write(folder / "more" / "c.wav", np.stack([hiss(9.0), hiss(9.0, 1)], 1), 48_000)
    soundfile.write(folder / "quiet.wav", np.zeros(96_000), 48_000)
    return folder


@given(
    st.integers(1, 100).map(lambda frames: 480 * frames),
    st.floats(0.001, 1.0),
    st.integers(0, 50),
    st.floats(-20, 60),
    st.text(max_size=8),
)
def test_the_ratio_is_what_was_asked_for(
    recordings: Path, samples: int, level: float, pause: int, snr_db: float, name: str
) -> None:
    pcm = signs(samples, level, pause)
    clean, noisy = NoiseMix(recordings, snr_db).mix(pcm, name)
    assert clean.shape == noisy.shape == pcm.shape
    assert clean.dtype == noisy.dtype == np.float32
    assert np.abs(noisy).max() <= 1
    turned_down = np.abs(clean).max() / np.float32(level)
    np.testing.assert_allclose(clean, pcm * turned_down, atol=1e-7)
    assert turned_down == pytest.approx(1) or np.abs(noisy).max() == 1
    noise = noisy.astype(np.float64) - clean
    assert 20 * np.log10(level * turned_down / np.std(noise)) == pytest.approx(snr_db, abs=0.1)


def test_a_mix_hangs_on_clip_and_seed_alone(recordings: Path) -> None:
    folder = recordings / "more"  # all longer than the clip
    pcm, model = signs(24_000, 0.1), NoiseMix(folder, 5.0)
    clean, noisy = model.mix(pcm, "a")
    assert clean is pcm
    for same in (NoiseMix(folder, 5.0), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(same.mix(pcm, "a")[1], noisy)
    assert (model.mix(pcm, "b")[1] != noisy).any()
    assert (NoiseMix(folder, 5.0, seed=1).mix(pcm, "a")[1] != noisy).any()
    louder = NoiseMix(folder, 0.0).mix(pcm, "a")[1]
    np.testing.assert_allclose((noisy - pcm) * 10 ** (5 / 20), louder - pcm, atol=1e-6)


def test_a_short_recording_is_repeated(tmp_path: Path) -> None:
    sound = hiss(0.1)
    soundfile.write(tmp_path / "a.wav", sound, 24_000, subtype="FLOAT")
    pcm = signs(6000, 0.1)
    noise = NoiseMix(tmp_path, 0.0).mix(pcm, "a")[1] - pcm
    sound -= sound.mean()
    np.testing.assert_allclose(noise, np.resize(sound / sound.std(), 6000) * 0.1, rtol=0.05)


def test_pauses_do_not_lower_the_level() -> None:
    tone = np.sin(np.arange(24_000)).astype(np.float32)
    faint = 0.01 * tone  # 40 dB below
    level = active_level(np.concatenate([faint, tone, faint, faint]))
    assert level == pytest.approx(np.sqrt(0.5), rel=0.01)
    assert active_level(tone[:100]) == pytest.approx(np.sqrt(0.5), rel=0.05)
    assert active_level(0 * tone) == 0


def test_recordings_without_noise(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(48_000), 24_000)
    soundfile.write(tmp_path / "b.wav", np.zeros(0), 16_000)
    with pytest.raises(InputError, match="silence"):
        NoiseMix(tmp_path, 5.0).mix(signs(480, 0.1), "a")
    (tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(InputError, match="cannot be read"):
        NoiseMix(tmp_path, 5.0).mix(signs(480, 0.1), "a")


def test_parse_snrs() -> None:
    assert parse_snrs("5") == [5.0]
    assert parse_snrs("20, -2.5,20") == [20.0, -2.5]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--snr", "5"], "--noise"),
        (["--noise", "NOISE"], "--snr"),
        (["--noise", "NOISE/none", "--snr", "5"], "sound files"),
        (["--noise", "EMPTY", "--snr", "5"], "sound files"),
        (["--noise", "NOISE", "--snr", "loud"], "'loud', expected decibels"),
        (["--noise", "NOISE", "--snr", ""], "expected decibels"),
        (["--noise", "NOISE", "--snr", "5,61"], "61 dB, expected -20 to 60"),
        (["--noise", "NOISE", "--snr=-21,5"], "-21 dB, expected -20 to 60"),
        (["--noise", "NOISE", "--snr", "nan"], "nan dB, expected -20 to 60"),
    ],
)
def test_the_command_refuses_in_a_sentence(
    recordings: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    places = {"NOISE": str(recordings), "EMPTY": str(tmp_path)}
    for word, place in places.items():
        options = [option.replace(word, place) for option in options]
    assert main(["--data", str(recordings), "--rates", "", "--baselines", "", *options]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
