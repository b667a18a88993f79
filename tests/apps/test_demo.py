"""``make demo`` and ``make demo-room``, as their targets run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.labs.call import codec
from tests.labs.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.net]


def test_the_demo_holds_a_call_and_shows_it(tmp_path: Path) -> None:
    codec()
    assert "$(BIN)/python -m apps.demo" in (ROOT / "Makefile").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "apps.demo", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("from mouth to ear") == 2
    for name in ("alice", "bob"):
        pcm, rate = soundfile.read(tmp_path / f"{name}_heard.wav")
        assert rate == 24_000
        assert pcm.std() > 0.01
        assert "frames played" in (tmp_path / f"{name}_report.txt").read_text()
    assert (tmp_path / "spectrogram.png").stat().st_size > 10_000


def test_four_people_hold_a_room_and_hear_each_other(tmp_path: Path) -> None:
    codec()
    assert "$(BIN)/python -m apps.demo_room" in (ROOT / "Makefile").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "apps.demo_room", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = ("ann", "bob", "cleo", "dan")
    assert done.stdout.count("from mouth to ear") == len(names)
    for name in names:
        assert soundfile.read(tmp_path / f"{name}_heard.wav")[0].std() > 0.01
        report = (tmp_path / f"{name}_report.txt").read_text()
        assert all(f"{other} is in the room" in report for other in names if other != name)
    assert (tmp_path / "spectrogram.png").stat().st_size > 10_000
