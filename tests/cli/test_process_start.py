"""When a process was started, seen from outside."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from q2d2_stream.cli.process_start import process_start_s

_AGE = (
    "import time; time.sleep(0.3)\n"
    "from q2d2_stream.cli.process_start import process_start_s\n"
    "print(time.monotonic() - process_start_s())"
)
_TICK_S = 0.02


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says when a process was started")
def test_the_start_is_before_the_first_line() -> None:
    begun = time.monotonic()
    out = subprocess.run([sys.executable, "-c", _AGE], capture_output=True, text=True, check=True)
    elapsed = time.monotonic() - begun
    assert 0.3 - _TICK_S <= float(out.stdout) <= elapsed + _TICK_S


def test_without_proc_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.read_text", missing)
    before = time.monotonic()
    assert before <= process_start_s() <= time.monotonic()
