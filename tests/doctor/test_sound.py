"""The doctor's sound checks, with a virtual card and without any."""

from __future__ import annotations

import pytest

from q2d2_stream.audio import DeviceInfo, StreamStats
from q2d2_stream.audio.stream import FRAME_SAMPLES, SAMPLE_RATE
from q2d2_stream.doctor import Verdict, sound
from q2d2_stream.errors import DeviceError
from tests.labs.jack import JackLab

USB = DeviceInfo(0, "USB card", "ALSA", 1, 2, 48_000, True, True)
HEADSET = DeviceInfo(1, "headset", "ALSA", 1, 1, 8_000)


def test_devices_and_their_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "list_devices", lambda: [USB, HEADSET])
    system, microphone, loudspeaker = sound.check_devices("headset", None)
    assert system.facts["devices"][0]["sample_rate"] == 48_000
    assert microphone.verdict is Verdict.YELLOW  # 8 kHz carry half of the voice
    assert loudspeaker.verdict is Verdict.GREEN
    assert "48000 Hz" in loudspeaker.text


def test_a_missing_device_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "list_devices", lambda: [])
    verdicts = [finding.verdict for finding in sound.check_devices()]
    assert verdicts == [Verdict.GREEN, Verdict.RED, Verdict.RED]
    assert sound.check_streaming() == []


def test_a_missing_sound_system_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> list[DeviceInfo]:
        raise DeviceError("PortAudio cannot be loaded")

    monkeypatch.setattr(sound, "list_devices", refuse)
    (finding,) = sound.check_devices()
    assert finding.verdict is Verdict.RED


@pytest.mark.sound
def test_a_virtual_card_streams_both_ways() -> None:
    with JackLab() as lab:
        streaming, clock = sound.check_streaming(lab.MIC, lab.SPEAKER, seconds=2.0)
    # How many xruns there are, and how steady a clock made of software is, is the machine's matter.
    assert set(streaming.facts) == {"xruns_in", "xruns_out", "underruns"}
    assert clock.facts["error_ppm"] > 0


@pytest.mark.parametrize(
    ("ppm", "error_ppm", "verdict"),
    [
        (150.0, 40.0, Verdict.GREEN),
        (-320.0, 40.0, Verdict.GREEN),  # may well be 280
        (-400.0, 40.0, Verdict.YELLOW),
        (-81_000.0, 40.0, Verdict.RED),  # 44.1 kHz for 48
    ],
)
def test_drift_is_judged(
    ppm: float, error_ppm: float, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame_s = FRAME_SAMPLES / SAMPLE_RATE
    drift = sound.Drift(ppm, error_ppm)
    monkeypatch.setattr(sound, "measure_drift", lambda times, nominal: drift)
    monkeypatch.setattr(sound, "list_devices", lambda: [USB])

    async def stream(*args: object) -> tuple[list[float], StreamStats, StreamStats]:
        return [0.0, frame_s], StreamStats(), StreamStats(xruns=2)

    monkeypatch.setattr(sound, "_stream", stream)
    streaming, clock = sound.check_streaming()
    assert streaming.verdict is Verdict.YELLOW
    assert clock.verdict is verdict
