"""Voice processing on speech: how much echo and noise goes, and how much voice stays."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import butter, fftconvolve, hilbert, sosfiltfilt

from q2d2_stream.audio.processing import VoiceProcessor
from q2d2_stream.errors import InputError, MissingExtra
from tests.labs.audio import level_db, real_speech, speech

pytestmark = pytest.mark.slow


@pytest.fixture
def processor(request: pytest.FixtureRequest) -> VoiceProcessor:
    pytest.importorskip("livekit", reason="the package livekit is not installed")
    return VoiceProcessor(**request.param)


def run(processor: VoiceProcessor, near: np.ndarray, far: np.ndarray | None = None) -> np.ndarray:
    out = []
    for start in range(0, len(near) - 319, 320):
        if far is not None:
            processor.far(far[start : start + 320])
            processor.set_path_ms(60)
        out.append(processor.near(near[start : start + 320]))
    return np.concatenate(out)


def far_speech() -> np.ndarray:
    clips = [real_speech("kathleen_en_0.flac"), real_speech("kathleen_en_1.flac")]
    if any(clip is None for clip in clips):
        return speech(14.0, seed=1)
    return np.concatenate([clip for clip in clips * 2 if clip is not None])


def near_speech() -> np.ndarray:
    clips = [real_speech("s2i_en_2.flac"), real_speech("s2i_en_3.flac")]
    if any(clip is None for clip in clips):
        return speech(11.0, seed=2)
    return np.concatenate([clip for clip in clips if clip is not None])


def echo_of(far: np.ndarray) -> np.ndarray:
    """60 ms of delay, then a small room: 20 ms of decay, half as loud as the loudspeaker."""
    rng = np.random.default_rng(0)
    t = np.arange(2_880)
    room = rng.standard_normal(len(t)) * np.exp(-t / 480)
    path = np.concatenate((np.zeros(1_440), 0.5 * room / np.linalg.norm(room)))
    return np.asarray(fftconvolve(far, path)[: len(far)], np.float32)


def trailing(out: np.ndarray, reference: np.ndarray) -> int:
    """By how many samples the envelope of ``out`` trails: the phase is the processing's own."""
    band = butter(4, [500, 3000], "bandpass", fs=24_000, output="sos")
    envelopes = [np.abs(hilbert(sosfiltfilt(band, pcm[: len(out)]))) for pcm in (out, reference)]
    ours, theirs = (envelope - envelope.mean() for envelope in envelopes)
    return int(np.argmax(fftconvolve(ours, theirs[::-1]))) - len(theirs) + 1


@pytest.mark.parametrize("processor", [{"aec": True}], indirect=True)
def test_echo_is_cancelled(
    processor: VoiceProcessor, record_property: Callable[[str, object], None]
) -> None:
    far = far_speech()
    echo = echo_of(far)
    out = run(processor, echo, far)
    late = slice(4 * 24_000, len(out))
    erle_db = level_db(echo[late]) - level_db(out[late])
    record_property("erle_db", erle_db)
    print(f"echo return loss enhancement after 4 s: {erle_db:.1f} dB")
    assert erle_db > 25


@pytest.mark.parametrize("processor", [{"aec": True}], indirect=True)
def test_near_speech_survives_double_talk(processor: VoiceProcessor) -> None:
    far = far_speech()
    echo = echo_of(far)
    near = np.zeros_like(far)
    voice = near_speech()[: len(far) - 4 * 24_000]
    start = 4 * 24_000  # the canceller knows the room by then
    near[start : start + len(voice)] = voice
    out = run(processor, near + echo, far)
    # What the filters make of the near voice alone: the remaining difference is the echo's doing.
    alone = run(VoiceProcessor(aec=True), near, np.zeros_like(far))
    both = slice(start, start + len(voice))
    heard, wanted, mixed = out[both], alone[both], (near + echo)[both]
    kept_db = level_db(heard) - level_db(wanted)
    similarity = np.corrcoef(heard, wanted)[0, 1]
    print(
        f"echo {level_db(echo[both]) - level_db(mixed):+.1f} dB beside the near voice: "
        f"near voice {kept_db:+.1f} dB, correlation {similarity:.3f}"
    )
    assert abs(kept_db) < 4
    assert similarity > 0.8


@pytest.mark.parametrize("processor", [{"ns": True}], indirect=True)
def test_noise_floor_falls_and_speech_stays(processor: VoiceProcessor) -> None:
    voice = near_speech()
    pause = 3 * 24_000
    clean = np.concatenate((np.zeros(pause, np.float32), voice))
    noise = 0.01 * np.random.default_rng(3).standard_normal(len(clean)).astype(np.float32)
    out = run(processor, clean + noise)
    delay = processor.delay_samples
    quiet = slice(pause // 2, pause)
    floor_db = level_db(noise[quiet]) - level_db(out[quiet])
    heard = out[pause + delay :]
    kept_db = level_db(heard) - level_db(voice[: len(heard)])
    print(f"noise floor -{floor_db:.1f} dB, speech {kept_db:+.1f} dB")
    assert floor_db > 8
    assert abs(kept_db) < 4


@pytest.mark.parametrize("processor", [{"agc": True}], indirect=True)
def test_quiet_speech_gets_louder(processor: VoiceProcessor) -> None:
    quiet = np.float32(0.1) * near_speech()
    out = run(processor, quiet)
    late = slice(4 * 24_000, len(out))
    gain_db = level_db(out[late]) - level_db(quiet[late])
    print(f"gain {gain_db:+.1f} dB")
    assert gain_db > 6
    assert np.abs(out).max() < 1


SETTINGS = [{"aec": True}, {"ns": True}, {"agc": True}, {"aec": True, "ns": True, "agc": True}]


@pytest.mark.parametrize("processor", SETTINGS, indirect=True)
def test_delay_is_as_told(processor: VoiceProcessor) -> None:
    voice = near_speech()[: 4 * 24_000]
    out = run(processor, voice, np.zeros_like(voice))
    assert abs(trailing(out, voice) - processor.delay_samples) < 24


@pytest.mark.parametrize("processor", [{"ns": True}], indirect=True)
def test_frames_of_another_length_are_refused(processor: VoiceProcessor) -> None:
    with pytest.raises(InputError, match="a frame has 240 samples, expected 320"):
        processor.near(np.zeros(240, np.float32))


def test_nothing_to_do_is_refused() -> None:
    with pytest.raises(InputError, match="expected aec, ns or agc"):
        VoiceProcessor()


def test_missing_package_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "livekit.rtc", None)
    with pytest.raises(MissingExtra, match=r"needs the package livekit.*q2d2-stream\[aec\]"):
        VoiceProcessor(aec=True)
