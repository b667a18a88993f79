"""Giving up a PortAudio that hangs."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from q2d2_stream.audio import portaudio


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What stands for sounddevice: only its count of initialisations is looked at."""
    found = SimpleNamespace(_initialized=1)
    monkeypatch.setattr(portaudio, "load_sounddevice", lambda: found)
    return found


def test_what_closes_in_time_is_closed_in_order(
    library: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portaudio, "_CLOSE_LIMIT_S", 60.0)
    steps: list[str] = []
    own = portaudio.PortAudio()
    own.close(object(), lambda: steps.append("abort"), lambda: steps.append("close"))
    assert steps == ["abort", "close"]
    assert not own.is_stuck
    assert library._initialized == 1


def test_a_step_that_comes_back_too_late_is_the_last_one(
    library: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library has been replaced meanwhile: to go on would be a segmentation fault."""
    monkeypatch.setattr(portaudio, "_CLOSE_LIMIT_S", 0.1)
    hanging, closers, steps = threading.Event(), list[threading.Thread](), list[str]()

    def abort() -> None:
        closers.append(threading.current_thread())
        hanging.wait(60)

    own = portaudio.PortAudio()
    own.close(object(), abort, lambda: steps.append("close"))
    assert own.is_stuck
    assert library._initialized == 0
    hanging.set()
    (closer,) = closers
    closer.join(60)
    assert not closer.is_alive()
    assert steps == []
