"""Several voices in one sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.audio import Pcm
from q2d2_stream.call.mixer import Limiter, Mixer
from q2d2_stream.frames import AudioFrames
from q2d2_stream.playout import PlayoutOptions

NOW = PlayoutOptions(minimum_delay_ms=0, maximum_delay_ms=0, start_delay_ms=0, stretch=False)


class Tone:
    """Decodes every frame to one number."""

    def __init__(self, level: float, delay_samples: int = 320) -> None:
        self._level, self.delay_samples = level, delay_samples

    def push(self, indices: object) -> Pcm:
        return np.full(320, self._level if indices is not None else 0.0, np.float32)

    def seek(self, number: int) -> None:
        """All frames sound alike."""

    def reset(self) -> None:
        """Nothing to forget."""


def frames(sequence: int) -> AudioFrames:
    return AudioFrames(sequence, sequence, np.zeros((1, 3), np.uint8), start=not sequence)


def heard(mixer: Mixer, members: dict[int, int], steps: int = 20) -> Pcm:
    """Feed ``members`` (number: first sequence) in step with pulls; the last frame's samples."""
    pcm = np.zeros(320, np.float32)
    for step in range(steps):
        now = step * 320 / 24_000
        for member in members:
            mixer.put(member, frames(members[member] + step), now)
        pcm = mixer.pull(now, 320)
    return pcm


def test_voices_add_up() -> None:
    mixer = Mixer(lambda member: Tone(0.1 * member), NOW)
    assert heard(mixer, {1: 0, 2: 0, 4: 0})[-1] == pytest.approx(0.7, abs=1e-3)
    assert mixer.stats().played >= 3 * 15
    assert mixer.talking(0.3) == {1, 2, 4}
    assert mixer.talking(5.0) == frozenset()


def test_one_can_be_turned_down() -> None:
    mixer = Mixer(lambda member: Tone(0.1 * member), NOW)
    mixer.set_gain(2, 0.0)
    mixer.set_gain(4, 0.5)
    assert heard(mixer, {1: 0, 2: 0, 4: 0})[-1] == pytest.approx(0.3, abs=1e-3)


def test_many_loud_voices_do_not_clip() -> None:
    mixer = Mixer(lambda member: Tone(0.9), NOW)
    assert np.abs(heard(mixer, dict.fromkeys(range(6), 0))).max() <= 0.98


def test_whoever_is_silent_for_longest_makes_room() -> None:
    mixer = Mixer(lambda member: Tone(0.1), NOW)
    for member in range(8):
        mixer.put(member, frames(0), float(member))
    mixer.put(8, frames(0), 4.0)
    assert mixer.refused == 1
    mixer.put(8, frames(1), 7.5)
    assert mixer.refused == 1
    mixer.pull(7.5, 320)
    assert mixer.talking(7.5) == {8}


def test_what_was_counted_of_those_who_left_stays() -> None:
    mixer = Mixer(lambda member: Tone(0.1), NOW)
    heard(mixer, {1: 0})
    before = mixer.stats().played
    mixer.remove(1)
    assert mixer.stats().played == before > 0
    assert mixer.has_played
    for _ in range(20):
        mixer.pull(1.0, 320)
    assert mixer.stats().played == before


def test_what_has_come_of_one_who_left_is_heard() -> None:
    mixer = Mixer(lambda member: Tone(0.1), PlayoutOptions(minimum_delay_ms=100))
    for step in range(6):
        mixer.put(1, frames(step), step / 75)
    mixer.remove(1)
    heard_after = [float(mixer.pull(0.1 + step / 75, 320).max()) for step in range(60)]
    assert max(heard_after) == pytest.approx(0.1, abs=1e-3)
    assert mixer.stats().played == 6
    assert heard_after[-1] == 0.0  # nothing is left of it, not even its background


@given(st.lists(st.floats(0, 8), min_size=1, max_size=30))
def test_the_limiter_never_exceeds_full_scale(levels: list[float]) -> None:
    limiter = Limiter()
    for level in levels:
        out = limiter.push(np.full(320, level, np.float32))
        assert np.abs(out).max() <= 1.0
        assert np.isfinite(out).all()


def test_the_limiter_leaves_quiet_sound_alone() -> None:
    limiter = Limiter()
    pcm = np.linspace(-0.5, 0.5, 320, dtype=np.float32)
    assert limiter.push(pcm) is pcm


def test_the_delay_of_the_voice_that_is_latest_counts() -> None:
    mixer = Mixer(lambda member: Tone(0.1, delay_samples=320 * member), NOW)
    assert mixer.stats().played == 0
    heard(mixer, {1: 0, 2: 0})
    known = {"network_ms": 20.0, "device_ms": 10.0, "processing_ms": 37.0}
    delay = mixer.stats(**known).delay_p50
    assert delay.codec_ms == pytest.approx(40.0)
    assert (delay.network_ms, delay.device_ms, delay.processing_ms) == (20.0, 10.0, 37.0)
    mixer.remove(2)
    heard(mixer, {1: 20})
    assert mixer.stats(**known).delay_p50.codec_ms == pytest.approx(80 / 3)
