"""The voice detector runs causally, frame by frame, and says so when its package is missing."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from q2d2_stream.audio.voice_detector import LevelDetector, WebRtcVoiceDetector
from q2d2_stream.errors import InputError, MissingExtra

HOP = 320


def voice(frames: int, level: float = 0.1) -> NDArray[np.float32]:
    """A buzz of 120 Hz with two formants."""
    t = np.arange(frames * HOP) / 24_000
    harmonics = [
        np.sin(2 * np.pi * f * t) / (1 + ((f - 600) / 300) ** 2) for f in range(120, 3600, 120)
    ]
    return np.asarray(level * np.sum(harmonics, axis=0) / 3, np.float32)


def noise(frames: int, level: float) -> NDArray[np.float32]:
    generator = np.random.default_rng(0)
    return (level * generator.standard_normal(frames * HOP)).astype(np.float32)


def test_level_detector_follows_the_background() -> None:
    detector = LevelDetector()
    quiet = [detector.is_voice(f) for f in noise(75, 0.001).reshape(-1, HOP)]
    assert not any(quiet)
    assert detector.is_voice(noise(1, 0.01))
    louder = [detector.is_voice(f) for f in noise(1500, 0.01).reshape(-1, HOP)]
    assert louder[0]
    assert not any(louder[-75:])
    detector.reset()
    assert not detector.is_voice(np.zeros(HOP, np.float32))


def test_voice_is_found_within_a_preroll_and_silence_is_not_voice() -> None:
    pytest.importorskip("webrtcvad")
    detector = WebRtcVoiceDetector()
    signal = np.concatenate(
        [np.zeros(75 * HOP, np.float32), voice(75), np.zeros(75 * HOP, np.float32)]
    )
    found = np.array([detector.is_voice(f) for f in signal.reshape(-1, HOP)])
    assert not found[:75].any()
    assert found[75:83].any()
    assert found[83:150].all()
    assert not found[-30:].any()
    detector.reset()
    again = np.array([detector.is_voice(f) for f in signal.reshape(-1, HOP)])
    np.testing.assert_array_equal(found, again)


def test_decisions_do_not_depend_on_what_follows() -> None:
    pytest.importorskip("webrtcvad")
    start = np.concatenate([noise(40, 0.003), voice(40, 0.05)])
    decisions = []
    for rest in (np.zeros(20 * HOP, np.float32), noise(20, 0.3)):
        detector = WebRtcVoiceDetector()
        signal = np.concatenate([start, rest]).reshape(-1, HOP)
        decisions.append([detector.is_voice(f) for f in signal][:80])
    assert decisions[0] == decisions[1]


def test_wrong_arguments_are_refused() -> None:
    pytest.importorskip("webrtcvad")
    with pytest.raises(InputError, match="mode is 7"):
        WebRtcVoiceDetector(7)
    with pytest.raises(InputError, match="320"):
        WebRtcVoiceDetector().is_voice(np.zeros(480, np.float32))


def test_a_missing_package_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    with pytest.raises(MissingExtra, match=r"webrtcvad-wheels.*pip install"):
        WebRtcVoiceDetector()
